"""AsyncServer's constructor: python-socketio's arguments, ours besides them, and what is no argument at all."""

from __future__ import annotations

import inspect
import json
import logging
import warnings

import pytest
import socketio

import fastsio
from fastsio.api.manager import AsyncManager
from harness import FakePeer


@pytest.fixture(autouse=True)
def restored_loggers():
    loggers = [logging.getLogger(f"fastsio.{name}") for name in ("engine", "core", "conn")]
    before = [(logger.level, logger.handlers[:], logger.propagate) for logger in loggers]
    yield
    for logger, (level, handlers, propagate) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate


def shape(fn):
    """Without what can be given by its name only: those are additions, as on(…, concurrency=)."""
    return [
        (p.name, p.kind, p.default)
        for p in inspect.signature(fn).parameters.values()
        if p.kind is not p.KEYWORD_ONLY
    ]


METHODS = [
    name
    for name, value in inspect.getmembers(socketio.AsyncServer)
    if callable(value) and not name.startswith("_") and not inspect.isclass(value)
]


@pytest.mark.parametrize("name", ["__init__", *METHODS])
def test_signatures_are_python_socketios(name):
    theirs, ours = getattr(socketio.AsyncServer, name), getattr(fastsio.AsyncServer, name)
    # What is ours alone, such as on(…, typed=True), can only be given by its name.
    assert [one for one in shape(ours) if one[1] is not inspect.Parameter.KEYWORD_ONLY] == shape(
        theirs
    )
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)


def test_class_attributes_are_python_socketios():
    assert fastsio.AsyncServer.reserved_events == socketio.AsyncServer.reserved_events
    assert fastsio.AsyncServer.reason.CLIENT_DISCONNECT == "client disconnect"


def test_arguments_are_taken_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sio = fastsio.AsyncServer(
            client_manager=AsyncManager(), logger=False, json=json, async_handlers=False,
            namespaces=["/a"], always_connect=True, engineio_logger=False, async_mode="aiohttp",
            ping_interval=(20, 5), ping_timeout=10, max_http_buffer_size=1000, allow_upgrades=False,
            http_compression=False, compression_threshold=10, cookie="io", cors_allowed_origins="*",
            cors_credentials=False, monitor_clients=True, transports=["websocket"],
            connect_timeout=3, upgrade_timeout=4, max_buffered_bytes=5000,
        )  # fmt: skip
    assert sio.async_mode == "aiohttp"
    assert sio.async_handlers is False
    assert sio.always_connect is True
    assert sio.namespaces == ["/a"]
    assert (sio.hub.options.connect_timeout, sio.hub.options.max_buffered_bytes) == (3, 5000)
    assert sio.hub.options.transports == ("websocket",)


def test_arguments_may_be_given_by_position():
    sio = fastsio.AsyncServer(None, False, json, False, ["/a"])
    assert (sio.async_handlers, sio.namespaces) == (False, ["/a"])


def test_defaults_are_python_socketios():
    ours, theirs = fastsio.AsyncServer(), socketio.AsyncServer(async_mode="asgi")
    for name in (
        "async_mode",
        "async_handlers",
        "always_connect",
        "namespaces",
        "manager_initialized",
    ):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("environ", "handlers", "namespace_handlers"):
        assert dict(getattr(ours, name)) == getattr(theirs, name) == {}, name
    assert ours.is_asyncio_based()
    assert isinstance(ours.manager, AsyncManager)


def test_unknown_arguments_are_ignored_with_one_warning_that_names_the_nearest():
    with pytest.warns(UserWarning, match="AsyncServer ignores") as said:
        sio = fastsio.AsyncServer(ping_intervals=5, zzz=1, engineio_loger=True)
    assert [str(one.message) for one in said] == [
        "AsyncServer ignores unknown arguments: 'ping_intervals'; did you mean 'ping_interval'?, 'zzz', "
        "'engineio_loger'; did you mean 'engineio_logger'?"
    ]
    assert said[0].filename == __file__
    assert sio.hub.options.ping_interval == 25


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"async_mode": "threading"}, ValueError, "Invalid async_mode specified: 'threading'"),
        ({"transports": ["carrier pigeon"]}, ValueError, "No valid transports provided"),
        ({"ping_interval": 0}, ValueError, "ping_interval=0"),
        ({"logger": 5}, TypeError, "logger=5: True, False or a logger"),
        ({"engineio_logger": "x"}, TypeError, "engineio_logger='x'"),
        ({"client_manager": object()}, TypeError, "a fastsio.AsyncManager, or one of"),
    ],
)
def test_value_that_cant_be_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        fastsio.AsyncServer(**arguments)


# --- loggers --------------------------------------------------------------------------------------


def test_logger_true_prints_what_is_noted_once(capsys):
    fastsio.AsyncServer(logger=True)
    sio = fastsio.AsyncServer(logger=True)
    sio.logger.info("noted once")
    logging.getLogger("fastsio.engine").info("not of this layer")
    said = capsys.readouterr().err
    assert said.count("noted once") == 1
    assert "not of this layer" not in said


def test_engineio_logger_true_prints_what_the_engine_notes(capsys):
    sio = fastsio.AsyncServer(engineio_logger=True)
    sio.eio.logger.info("of the engine")
    logging.getLogger("fastsio.conn").info("of a connection")
    said = capsys.readouterr().err
    assert "of the engine" in said
    assert "of a connection" in said


async def test_logger_true_notes_what_comes_and_what_is_sent(serve, caplog):
    class Records(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    lines = []
    logger = logging.getLogger("an application")
    logger.setLevel(logging.INFO)
    logger.addHandler(Records())
    sio = fastsio.AsyncServer(logger=logger)
    assert sio.logger is logger
    sio.on("x", lambda sid, value: value)
    peer = await FakePeer((await serve(sio)).url).open()
    sid = (await peer.connect())["sid"]
    await sio.emit("news", 1)
    await sio.emit("news", 1, to="room", namespace="/n")
    await peer.send('420["x",5]')
    assert await peer.receive() == '42["news",1]'
    assert await peer.receive() == "430[5]"
    assert lines == [
        "emit of 'news' to all in '/'",
        "emit of 'news' to room in '/n'",
        f"event 'x' from sid={sid[:6]}… in '/'",
    ]
    await peer.close()
