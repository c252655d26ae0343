"""What of a client's words, and of ids, is in a log line."""

from __future__ import annotations

import pytest

from fastsio._ids import new_id
from fastsio.logged import MAX_CHARACTERS, one_line, short_id, short_ids, url_without_sid


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("ä 😀 '\"\\", "ä 😀 '\"\\"),
        ("a\nb\rc", "a\\nb\\rc"),
        ("a\x1b[2J\x7f", "a\\x1b[2J\\x7f"),
        ("a\x85b\u2028c\u202ed", "a\\x85b\\u2028c\\u202ed"),
        ("\ud800", "\\ud800"),
        ("", ""),
        (ValueError("no\nway"), "no\\nway"),
        (None, "None"),
        ("x" * (MAX_CHARACTERS + 1), "x" * MAX_CHARACTERS + "…"),
    ],
)
def test_line_is_one_line_that_can_be_printed(text, shown):
    assert one_line(text) == shown
    assert one_line(text).isprintable()


def test_id_is_cut_and_what_is_short_is_not():
    assert short_id("abcdefghijklmnopqrst") == "abcdef…"
    assert short_id("abc") == "abc"
    assert short_id("a\nb") == "a\\nb"


def test_rooms_are_shown_and_ids_are_cut():
    sid = new_id()
    assert short_ids("room") == "room"
    assert short_ids(sid) == sid[:6] + "…"
    assert short_ids(["room", sid, 7]) == f"[room, {sid[:6]}…, 7]"
    assert short_ids(("a\nb",)) == "[a\\nb]"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=4&transport=polling"),
        ("/socket.io/?EIO=4&sid=abcdefghijklmnopqrst&t=1", "/socket.io/?EIO=4&sid=abcdef…&t=1"),
        ("/socket.io/?sid=abcdefghijklmnopqrst", "/socket.io/?sid=abcdef…"),
        ("/?sid=abcdef&sid=ghijklmn", "/?sid=abcdef&sid=ghijkl…"),
        ("/?xsid=abcdefghijklmnopqrst", "/?xsid=abcdefghijklmnopqrst"),
        ("/\x85?a=\x9b", "/\\x85?a=\\x9b"),
    ],
)
def test_url_has_no_whole_id(url, shown):
    assert url_without_sid(url) == shown
