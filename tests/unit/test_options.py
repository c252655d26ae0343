"""Options: their defaults, and what is refused where it is given, in words that help."""

from __future__ import annotations

import dataclasses
import json

import pytest

import fastsio
from fastsio.adapters import MemoryHub
from fastsio.options import Cors, Options
from fastsio.packet import Packet

STYLES = [Options, fastsio.AsyncServer, fastsio.IO]


def test_defaults_are_the_documented_ones():
    assert dataclasses.asdict(Options()) == {
        "ping_interval": 25.0,
        "ping_grace": 0.0,
        "ping_timeout": 20.0,
        "connect_timeout": 45.0,
        "upgrade_timeout": 10.0,
        "max_http_buffer_size": 1_000_000,
        "max_buffered_bytes": 16 * 1024 * 1024,
        "transports": ("polling", "websocket"),
        "allow_upgrades": True,
        "initial_packet": None,
        "allow_eio3": True,
        "cors_allowed_origins": None,
        "cors_credentials": True,
        "cors": dataclasses.asdict(Cors()),
        "check_origin": None,
        "cookie": None,
        "allow_request": None,
        "generate_id": None,
        "serve_client": False,
        "http_compression": True,
        "compression_threshold": 1024,
        "json": None,
        "serializer": "default",
        "namespaces": None,
        "async_handlers": True,
        "always_connect": False,
        "trusted_proxies": None,
        "typed": None,
        "adapter": None,
        "presence": False,
        "buffer_policy": "close",
        "high_water": None,
        "low_water": None,
        "max_waiting_events": 20_000,
        "max_running_events": 20_000,
        "limits": None,
        "max_header_bytes": 65_536,
        "max_headers": 256,
        "max_frames_per_message": 100_000,
        "max_attachments": 10,
        "max_json_depth": 1024,
        "max_namespaces": 1000,
        "max_rooms": 50_000,
        "max_pending_acks": 10_000,
        "max_connections_per_address": None,
        "max_connection_rate": None,
        "max_connection_rate_per_address": None,
        "middleware_timeout": 10.0,
        "cleanup_empty_child_namespaces": False,
        "connection_state_recovery": None,
        "per_message_deflate": False,
        "send_timeout": 30.0,
        "tcp_user_timeout": None,
        "watchdog": None,
    }


RECOVERY = {
    "max_disconnection_duration": 1, "skip_middlewares": False, "max_packets": 2, "max_bytes": 3, "max_sessions": 4,
}  # fmt: skip


@pytest.mark.parametrize("style", [fastsio.AsyncServer, fastsio.IO])
def test_both_styles_take_every_option(style):
    given = {
        "ping_interval": 1, "ping_grace": 1, "ping_timeout": 2, "connect_timeout": 3, "upgrade_timeout": 4,
        "max_http_buffer_size": 5, "max_buffered_bytes": 6, "transports": ("websocket",),
        "allow_upgrades": False, "allow_eio3": False, "initial_packet": "hi",
        "cors_allowed_origins": "*", "cors_credentials": False, "check_origin": True,
        "cors": Cors(max_age="1"), "allow_request": print, "generate_id": repr, "serve_client": True,
        "cookie": {"name": "x", "Path": "/x", "HttpOnly": False, "SameSite": "Strict"},
        "http_compression": False, "compression_threshold": 7,
        "json": json, "serializer": Packet, "namespaces": ("/a",), "async_handlers": False, "always_connect": True,
        "trusted_proxies": ("*",), "typed": True, "middleware_timeout": 8, "cleanup_empty_child_namespaces": True,
        "connection_state_recovery": RECOVERY, "adapter": MemoryHub().bus(), "presence": True,
        "per_message_deflate": {
            "threshold": 8, "server_no_context_takeover": True, "client_no_context_takeover": True,
            "server_max_window_bits": 9, "client_max_window_bits": 10, "level": 1, "mem_level": 2,
        },
        "buffer_policy": "drop_oldest", "high_water": 5, "low_water": 4, "max_waiting_events": 8,
        "max_running_events": 10,
        "limits": ({"rate": 9},),
        "send_timeout": 9, "tcp_user_timeout": 10, "watchdog": 11,
        "max_header_bytes": 1000, "max_headers": 9, "max_frames_per_message": 8, "max_attachments": 7,
        "max_json_depth": 6, "max_namespaces": 5, "max_rooms": 4, "max_pending_acks": 3,
        "max_connections_per_address": 2, "max_connection_rate": (1.5, 2), "max_connection_rate_per_address": (1, 1),
    }  # fmt: skip
    assert set(given) == {field.name for field in dataclasses.fields(Options)}
    options = style(**given).hub.options
    assert {name: getattr(options, name) for name in given} == given


@pytest.mark.feature("1.2 unknown options")
@pytest.mark.parametrize("style", [Options.of, fastsio.IO])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ping_intervall", "unknown option 'ping_intervall'; did you mean 'ping_interval'?"),
        ("cors_allowed_origin", "unknown option 'cors_allowed_origin'; did you mean 'cors_allowed_origins'?"),
        ("pingTimeout", "unknown option 'pingTimeout'; did you mean 'ping_timeout'?"),
        ("zzz", "unknown option 'zzz'"),
    ],
)  # fmt: skip
def test_unknown_option_is_refused_and_the_nearest_named(style, name, message):
    with pytest.raises(TypeError) as refused:
        style({name: 1}) if style == Options.of else style(**{name: 1})
    assert str(refused.value) == message


def test_node_style_server_has_no_logger_option():
    with pytest.raises(TypeError, match="unknown option 'logger'"):
        fastsio.IO(logger=True)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("value", [0, -1, -0.5, None, "25", True, float("nan"), {1}])
@pytest.mark.parametrize(
    "name", ["ping_interval", "ping_timeout", "connect_timeout", "upgrade_timeout"]
)
def test_time_that_is_no_positive_number_is_refused(style, name, value):
    with pytest.raises(ValueError, match=f"{name}=.*: a number of seconds above 0"):
        style(**{name: value})


@pytest.mark.parametrize("value", [0, -1, None, "1MB", True])
@pytest.mark.parametrize("name", ["max_http_buffer_size", "max_buffered_bytes"])
def test_size_that_is_no_positive_number_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}=.*: a number of bytes above 0"):
        Options(**{name: value})


@pytest.mark.parametrize("style", STYLES)
def test_ping_interval_may_come_with_a_grace_that_the_client_is_told(style):
    server = style(ping_interval=(20, 5))
    options = server if style is Options else server.hub.options
    assert (options.ping_interval, options.ping_grace) == (20, 5)


@pytest.mark.parametrize("value", [[1], (1, 2, 3), (1, "2"), (1, True), (0, 1), (1, -1), ("1", 1)])
def test_ping_interval_of_another_shape_is_refused(value):
    with pytest.raises(ValueError, match="ping_interval="):
        Options(ping_interval=value)


@pytest.mark.feature("1.2 namespaces")
@pytest.mark.parametrize(
    ("given", "names"), [("*", "*"), ("/a", ("/a",)), (["/a", "/b"], ("/a", "/b")), (None, None)]
)
def test_namespaces_are_a_name_several_or_all(given, names):
    assert Options(namespaces=given).namespaces == names


@pytest.mark.parametrize("value", [0.001, 1, 86_400])
def test_time_may_be_any_positive_number(value):
    assert Options(ping_interval=value).ping_interval == value


@pytest.mark.feature("1.2 transports")
@pytest.mark.parametrize(
    ("given", "transports"),
    [
        ("websocket", ("websocket",)),
        (["websocket"], ("websocket",)),
        (["websocket", "polling"], ("websocket", "polling")),
        (("polling",), ("polling",)),
        ({"polling"}, ("polling",)),
    ],
)
def test_transports_may_be_one_or_several(given, transports):
    assert Options(transports=given).transports == transports


@pytest.mark.parametrize("given", ["webrtc", ["polling", "carrier pigeon"], [], "", [None]])
def test_transports_that_are_none_are_refused_and_those_that_are_named(given):
    with pytest.raises(ValueError, match=r"No valid transports.*known are polling, websocket"):
        Options(transports=given)


def test_webtransport_is_known_and_nobodys_default():
    named = ("polling", "webtransport")
    assert Options(transports=named).transports == named
    assert "webtransport" not in Options().transports


def test_transports_none_is_the_default():
    """python-socketio's way to say so."""
    assert Options.of({"transports": None}).transports == ("polling", "websocket")


@pytest.mark.parametrize("given", [["a", "b"], ("a", "b"), {"a", "b"}, iter(["a", "b"])])
def test_origins_may_be_any_collection(given):
    assert Options(cors_allowed_origins=given).cors_allowed_origins == frozenset(("a", "b"))


@pytest.mark.parametrize("given", [None, "*", "https://a.example", print])
def test_origins_may_be_none_one_or_a_function(given):
    assert Options(cors_allowed_origins=given).cors_allowed_origins == given


@pytest.mark.parametrize(
    ("given", "cookie"),
    [
        (None, None),
        (False, None),
        ("io", {"name": "io", "path": "/", "HttpOnly": True, "SameSite": "Lax"}),
        ({"name": "io"}, {"name": "io"}),
        ({"name": "io", "HttpOnly": True}, {"name": "io", "HttpOnly": True}),
    ],
)
def test_cookie_may_be_a_name_or_a_dict_with_one(given, cookie):
    assert Options(cookie=given).cookie == cookie


@pytest.mark.parametrize("given", [{}, {"path": "/"}, {"name": None}, {"name": 1}])
def test_cookie_without_a_name_is_refused(given):
    with pytest.raises(ValueError, match="a name, or a dict with one"):
        Options(cookie=given)


@pytest.mark.parametrize(
    "given",
    ["a;b", "a\r\nSet-Cookie: x", {"name": "a", "path": "/;x"}, {"name": "a", "x\ny": "1"}, "a\0"],
)
def test_cookie_that_would_break_its_header_is_refused(given):
    with pytest.raises(ValueError, match="can't be part of a cookie"):
        Options(cookie=given)


def test_dict_of_the_cookie_is_copied():
    given = {"name": "io"}
    options = Options(cookie=given)
    given["name"] = "evil; x"
    assert options.cookie == {"name": "io"}


@pytest.mark.parametrize(
    ("given", "namespaces"),
    [(None, None), ("*", "*"), (["/a", "b"], ("/a", "b")), (("/a",), ("/a",)), ([], ())],
)
def test_namespaces_may_be_a_list_or_a_star(given, namespaces):
    assert Options(namespaces=given).namespaces == namespaces


def test_options_can_not_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().ping_interval = 1


def test_transports_that_name_none_are_refused_as_an_argument_too():
    with pytest.raises(ValueError, match="No valid transports"):
        Options.of({"transports": []})


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, None),
        ("*", ["*"]),
        ("10.0.0.1", ["10.0.0.1/32"]),
        (["10.0.0.0/8", "unix", "::1"], ["10.0.0.0/8", "unix", "::1/128"]),
        ((), []),
    ],
)
def test_trusted_proxies_are_addresses_networks_and_two_words(given, names):
    found = Options(trusted_proxies=given).trusted_proxies
    assert (None if found is None else [str(one) for one in found]) == names


@pytest.mark.parametrize("given", ["10.0.0.1/8", ["proxy.example"], ["10.0.0.0/33"], "", [None]])
def test_trusted_proxies_that_are_none_are_refused_by_name(given):
    with pytest.raises(ValueError, match=r"trusted_proxies=.*give addresses, networks"):
        Options(trusted_proxies=given)


def test_a_star_on_a_list_of_origins_is_the_star():
    assert Options(cors_allowed_origins=["http://a", "*"]).cors_allowed_origins == "*"


@pytest.mark.parametrize("style", STYLES)
def test_per_message_deflate_is_kept_with_all_that_a_dict_leaves_out(style):
    def kept(given):
        made = style(per_message_deflate=given)
        return (made if style is Options else made.hub.options).per_message_deflate

    defaults = {
        "threshold": 1024,
        "server_no_context_takeover": False,
        "client_no_context_takeover": False,
        "server_max_window_bits": 15,
        "client_max_window_bits": 15,
        "level": 1,
        "mem_level": 8,
    }
    assert kept(False) is False
    assert kept(True) == kept({}) == defaults
    assert kept({"threshold": 0, "level": 6}) == defaults | {"threshold": 0, "level": 6}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (1, "per_message_deflate=1: True, False, or a dict"),
        ("on", "per_message_deflate='on': True, False, or a dict"),
        ({"treshold": 1}, "per_message_deflate: unknown 'treshold'; did you mean 'threshold'?"),
        ({"threshold": -1}, "per_message_deflate: threshold=-1: a number of bytes from 0 on"),
        ({"threshold": True}, "per_message_deflate: threshold=True: a number of bytes from 0 on"),
        ({"level": 0}, "per_message_deflate: level=0: a number from 1 to 9"),
        ({"mem_level": 10}, "per_message_deflate: mem_level=10: a number from 1 to 9"),
        ({"server_max_window_bits": 8}, "per_message_deflate: server_max_window_bits=8: a number from 9 to 15"),
        ({"client_max_window_bits": "9"}, "per_message_deflate: client_max_window_bits='9': a number from 9 to 15"),
        ({"server_no_context_takeover": 1}, "per_message_deflate: server_no_context_takeover=1: True or False"),
    ],
)  # fmt: skip
def test_wrong_per_message_deflate_is_refused_and_named(given, message):
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        Options(per_message_deflate=given)
    assert str(refused.value) == message


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_header_bytes": 255}, "max_header_bytes=255: a number of bytes, 256 or more"),
        ({"max_headers": 0}, "max_headers=0: a number of headers, 1 or more"),
        (
            {"max_frames_per_message": 0},
            "max_frames_per_message=0: a number of frames, 1 to 4294967295",
        ),
        ({"max_attachments": -1}, "max_attachments=-1: a number of binary values, 0 to 2147483647"),
        ({"max_json_depth": 1025}, "max_json_depth=1025: a number of levels, 1 to 1024"),
        ({"max_json_depth": True}, "max_json_depth=True: a number of levels, 1 to 1024"),
        ({"max_namespaces": None}, "max_namespaces=None: a number of namespaces, 0 or more"),
        ({"max_rooms": 1.5}, "max_rooms=1.5: a number of rooms, 0 or more"),
        ({"max_pending_acks": "9"}, "max_pending_acks='9': a number of answers, 1 or more"),
        (
            {"max_connections_per_address": 0},
            "max_connections_per_address=0: a number of sessions, 1 or more",
        ),
        (
            {"max_connection_rate": 0},
            "max_connection_rate=0: a number of new sessions a second, above 0",
        ),
        (
            {"max_connection_rate": float("inf")},
            "max_connection_rate=inf: a number of new sessions a second, above 0",
        ),
        (
            {"max_connection_rate": (1, 2, 3)},
            "max_connection_rate=(1, 2, 3): a number a second, or (rate, burst)",
        ),
        (
            {"max_connection_rate_per_address": (1, 0)},
            "max_connection_rate_per_address=(1, 0): the burst is a number of sessions, 1 or more",
        ),
    ],
)
def test_limits_that_can_not_be_are_refused_and_named(style, given, message):
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        style(**given)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("given", "kept"),
    [(5, (5, 5)), (0.2, (0.2, 1)), (2.5, (2.5, 3)), ([1, 9], (1, 9)), (None, None)],
)
def test_rate_alone_lets_as_many_pass_at_once_as_in_a_second(given, kept):
    assert Options(max_connection_rate=given).max_connection_rate == kept
