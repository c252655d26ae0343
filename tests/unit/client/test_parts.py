"""The small parts of clients: URLs, POST bodies, wheels, threads, and what is taken over from other libraries."""

from __future__ import annotations

import asyncio
import base64
import functools
import signal
import ssl
import threading
import time
from typing import Any

import aiohttp
import pytest
import requests

from fastsio._codec import encode_packet
from fastsio._encoded import encode_engine_packet
from fastsio.client import Client, loop_thread, workers
from fastsio.client.logs import make_logger
from fastsio.client.polling import MAX_PACKETS, bodies_of
from fastsio.client.requests_session import make_session
from fastsio.client.signals import _is_usual
from fastsio.client.tls import shared_context
from fastsio.client.urls import ServerUrl
from fastsio.client.websocket_client import translate_options
from fastsio.client.wheels import wheel_for
from harness import DEADLINE_S

# --- urls ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h", "http://h/socket.io/?transport=polling&EIO=4"),
        ("https://h:8443/ignored/", "https://h:8443/socket.io/?transport=polling&EIO=4"),
        ("ws://h?a=b&c", "http://h/socket.io/?a=b&c&transport=polling&EIO=4"),
        ("wss://[::1]:1", "https://[::1]:1/socket.io/?transport=polling&EIO=4"),
    ],
)
def test_urls_of_requests(url: str, expected: str) -> None:
    server = ServerUrl.parse(url, "/socket.io/")
    assert server.of("polling") == expected
    assert server.of("websocket", "s").startswith(expected.split("://")[0].replace("http", "ws"))
    assert server.of("websocket", "s").endswith("transport=websocket&EIO=4&sid=s")


def test_ports_follow_the_scheme() -> None:
    ports = [ServerUrl.parse(url, "x").port for url in ("http://h", "https://h", "wss://h:7")]
    assert ports == [80, 443, 7]


# --- polling ---------------------------------------------------------------------------------------


def test_posts_hold_what_the_server_takes() -> None:
    packets: list[Any] = [
        encode_engine_packet(b"4" + bytes(str(i), "ascii") * 30) for i in range(9)
    ]
    bodies = bodies_of(packets, 100)
    assert b"\x1e".join(bodies) == b"\x1e".join(p.payload for p in packets)
    assert max(map(len, bodies)) <= 100 and len(bodies) == 3
    assert bodies_of([b"x" * 300], 100) == [b"b" + base64.b64encode(b"x" * 300)]
    assert bodies_of([], 100) == []


def test_posts_hold_no_more_packets_than_python_engineio_takes() -> None:
    plain = [encode_packet(2, ["e"])] * 40
    assert [body.count(b"\x1e") + 1 for body in bodies_of(plain, 10**6)] == [16, 16, 8]
    binary = [encode_packet(2, ["e", b"1", b"2"])] * 10
    counts = [body.count(b"\x1e") + 1 for body in bodies_of(binary, 10**6)]
    assert counts == [15, 15] and max(counts) <= MAX_PACKETS


# --- wheels ----------------------------------------------------------------------------------------


async def test_clients_share_the_wheels_of_their_loop() -> None:
    loop = asyncio.get_running_loop()
    assert wheel_for(loop, 45) is wheel_for(loop, 10)
    assert wheel_for(loop, 45) is not wheel_for(loop, 0.3)
    assert wheel_for(loop, 0.001) is wheel_for(loop, 0.3)


# --- threads ---------------------------------------------------------------------------------------


def test_jobs_that_wait_for_each_other_all_run() -> None:
    pool = workers.Workers()
    barrier = threading.Barrier(20)
    for _ in range(19):
        pool.submit(barrier.wait, DEADLINE_S)
    barrier.wait(DEADLINE_S)


def test_idle_threads_are_used_again() -> None:
    pool = workers.Workers()
    seen: list[int] = []
    for _ in range(5):
        done = threading.Event()
        pool.submit(lambda done=done: (seen.append(threading.get_ident()), done.set()))
        assert done.wait(DEADLINE_S)
        ends_at = time.monotonic() + DEADLINE_S
        while not pool._idle and time.monotonic() < ends_at:
            time.sleep(0.001)
    assert len(set(seen)) == 1


def test_idle_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_S", 0.01)
    pool = workers.Workers()
    found: list[threading.Thread] = []
    pool.submit(lambda: found.append(threading.current_thread()))
    ends_at = time.monotonic() + DEADLINE_S
    while not found and time.monotonic() < ends_at:
        time.sleep(0.001)
    found[0].join(DEADLINE_S)
    assert not found[0].is_alive() and pool._idle == []


def test_the_loop_is_shared_and_waiting_on_it_is_refused() -> None:
    async def on_loop() -> bool:
        with pytest.raises(RuntimeError, match="its own event loop"):
            loop_thread.run(asyncio.sleep(0))
        return loop_thread.is_on_loop()

    assert loop_thread.run(on_loop())
    assert not loop_thread.is_on_loop()
    assert loop_thread.shared_loop() is loop_thread.shared_loop()


def test_a_timeout_cancels_what_runs_on_the_loop() -> None:
    cancelled = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(TimeoutError):
        loop_thread.run(hang(), 0.01)
    assert cancelled.wait(DEADLINE_S)


# --- sessions and options of other libraries --------------------------------------------------------


async def test_a_requests_session_is_taken_over() -> None:
    session = requests.Session()
    session.headers["X-A"] = "b"
    session.auth = ("me", "ä")
    session.cookies.set("c", "1")
    session.proxies = {"http": "http://proxy:3128"}
    session.verify = False
    session.trust_env = False
    made = make_session(session)
    try:
        assert made.headers["X-A"] == "b"
        assert (
            made.headers["Authorization"] == "Basic " + base64.b64encode("me:ä".encode()).decode()
        )
        assert "User-Agent" not in made.headers and "Accept-Encoding" not in made.headers
        assert {cookie.key: cookie.value for cookie in made.cookie_jar} == {"c": "1"}
        assert not made.trust_env
        assert str(made._default_proxy) == "http://proxy:3128"
        assert made.connector._ssl is shared_context(False)
    finally:
        await made.close()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"auth": requests.auth.HTTPDigestAuth("a", "b")}, "Only basic authentication"),
        ({"proxies": {"http": "http://a", "https": "http://b"}}, "one proxy for all"),
    ],
)
async def test_what_cannot_be_taken_over_is_named(changes: dict[str, Any], error: str) -> None:
    session = requests.Session()
    for name, value in changes.items():
        setattr(session, name, value)
    with pytest.raises(ValueError, match=error):
        make_session(session)


async def test_a_session_of_another_library_is_refused_in_sync_clients() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(TypeError, match=r"takes a requests\.Session"):
            make_session(session)


def test_options_of_websocket_client_are_translated(certificate: tuple[str, str]) -> None:
    made = translate_options({
        "header": ["X-A: b", "X-C:d"], "cookie": "c=1", "origin": "http://o", "timeout": 3,
        "sslopt": {"ca_certs": certificate[0], "check_hostname": False},
        "http_proxy_host": "p", "http_proxy_port": 8080, "http_proxy_auth": ("u", "w"),
        "subprotocols": ["x"], "enable_multithread": True,
    })  # fmt: skip
    context = made.pop("ssl")
    assert made == {
        "headers": {"X-A": "b", "X-C": "d", "Cookie": "c=1"},
        "origin": "http://o",
        "protocols": ["x"],
        "proxy": "http://u:w@p:8080",
    }
    assert not context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED
    unverified = translate_options({"sslopt": {"cert_reqs": ssl.CERT_NONE}})["ssl"]
    assert unverified.verify_mode is ssl.CERT_NONE


def test_options_that_cannot_be_had_are_named() -> None:
    with pytest.raises(ValueError, match=r"\['sockopt'\]"):
        Client(websocket_extra_options={"sockopt": []}, handle_sigint=False)


# --- logging, signals -------------------------------------------------------------------------------


def test_a_logger_is_taken_as_it_is() -> None:
    mine = make_logger(True, "fastsio.test.one")
    assert make_logger(mine, "fastsio.test.two") is mine
    assert mine.level and mine.handlers
    quiet = make_logger(False, "fastsio.test.three")
    assert not quiet.handlers and not quiet.isEnabledFor(20)


def test_only_usual_handlers_of_sigint_are_replaced() -> None:
    assert _is_usual(signal.default_int_handler)
    with asyncio.Runner() as runner:
        assert _is_usual(functools.partial(runner._on_sigint, main_task=None))  # type: ignore[attr-defined]
    assert not _is_usual(lambda number, frame: None)
    assert not _is_usual(None) and not _is_usual(signal.SIG_IGN)
