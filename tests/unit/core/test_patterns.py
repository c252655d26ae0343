"""Names of namespaces as patterns."""

from __future__ import annotations

import re

import pytest

from fastsio.core.patterns import Pattern, compile_pattern, is_pattern


@pytest.mark.parametrize(
    ("pattern", "name", "params"),
    [
        ("/room/{id}", "/room/7", {"id": "7"}),
        ("room/{id}", "/room/7", {"id": "7"}),
        ("/room/{id}", "/room/ä b", {"id": "ä b"}),
        ("/room/{id}", "/room/", None),
        ("/room/{id}", "/room/7/8", None),
        ("/room/{id}", "/lobby/room/7", None),
        ("/room/{id}", "/room/7\n", {"id": "7\n"}),
        ("/{a}/{b}", "/x/y", {"a": "x", "b": "y"}),
        ("/{a}-{b}", "/x-y", {"a": "x", "b": "y"}),
        ("/user/{id:int}", "/user/42", {"id": 42}),
        ("/user/{id:int}", "/user/007", {"id": 7}),
        ("/user/{id:int}", "/user/x", None),
        ("/user/{id:int}", "/user/-1", None),
        ("/user/{id:int}", "/user/" + "9" * 19, None),
        ("/user/{id:int}", "/user/٣", None),
        ("/files/{rest:path}", "/files/a/b/c", {"rest": "a/b/c"}),
        ("/files/{rest:path}", "/files/", None),
        ("/a.b/{id:str}", "/a.b/1", {"id": "1"}),
        ("/a.b/{id}", "/axb/1", None),
    ],
)
def test_pattern_fits_whole_names_and_gives_their_parts(pattern, name, params):
    assert compile_pattern(pattern).params_of(name) == params


@pytest.mark.parametrize(
    "text", ["/{}", "/{1}", "/{a b}", "/{a}/{a}", "/{a:float}", "/{a", "/a}", "/{{a}}", "/{a}}"]
)
def test_field_that_cant_be_is_named(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        compile_pattern(text)


def test_regular_expression_is_searched_for_and_its_named_groups_are_the_parts():
    pattern = Pattern(re.compile(r"^/dynamic-(?P<number>\d+)(?P<more>x)?$"), {})
    assert pattern.params_of("/dynamic-101") == {"number": "101", "more": None}
    assert pattern.params_of("/dynamic-") is None
    assert Pattern(re.compile(r"\d+"), {}).params_of("/a1b") == {}


@pytest.mark.parametrize(
    ("name", "expected"), [("/a", False), ("/{a}", True), ("/{", False), ("/{}", True)]
)
def test_name_with_fields_is_a_pattern(name, expected):
    assert is_pattern(name) is expected
