"""The official client in Chromium over WebTransport: a session of its own, an upgrade, binary, and all kinds of ends.

Source: engine.io-client 6.6, transports/webtransport; what Node's server does, in engineio.md 14.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import MS
from interop.chat_browser import ADDRESS, Browser, Page

APP = Path(__file__).with_name("webtransport_app.py")
ROOT = Path(__file__).parents[2]
ALONE = '{transports: ["webtransport"]}'
# Without WebSocket, which gets there first where WebTransport takes 200 ms longer.
UPGRADING = '{transports: ["polling", "webtransport"]}'
WAIT_S = 10_000 * MS


class App:
    """The server's process, and what it says."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(APP)], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        address = ADDRESS.search(self._process.stdout.readline())
        if address is None:
            raise AssertionError(f"{APP.name} did not start: {self._process.communicate()[1]}")
        self.url = address[0] + "/"
        self.events: list[list[Any]] = []
        self.connects = self.ends = 0
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._more:
                event = json.loads(line)
                self.connects += event[0] == "connection"
                self.ends += event[0] == "disconnect"
                self.events.append(event)
                self._more.notify_all()

    def says(self, *event: Any) -> None:
        """Wait until it has said just that."""
        with self._more:
            assert self._more.wait_for(lambda: list(event) in self.events, WAIT_S), self.events

    def stop(self) -> str:
        """End it in good order, if it has not ended; returns its stderr."""
        assert self._process.stdin is not None and self._process.stderr is not None
        if not self._process.stdin.closed:
            self._process.stdin.close()
            self._errors = self._process.stderr.read()
            self._process.wait(timeout=WAIT_S)
            self._reader.join(timeout=WAIT_S)
        return self._errors


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    executable = next(found, None)
    if executable is None:
        pytest.fail("This test needs Chromium on the PATH.", pytrace=False)
    browser = Browser(executable, "--disable-quic")
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[App]:
    yield from served()


@pytest.fixture
def own() -> Iterator[App]:
    """A server that the test may stop."""
    yield from served()


@pytest.fixture
def app(shared: App) -> App:
    shared.events.clear()
    return shared


def served() -> Iterator[App]:
    app = App()
    yield app
    errors = app.stop()
    assert "Traceback" not in errors, errors
    assert app.events[-1] == ["closed", 0, 0]
    assert app.connects == app.ends > 0  # each exactly once


@pytest.fixture
def page(browser: Browser, app: App) -> Iterator[Page]:
    page = Page(browser, "webtransport", app.url)
    yield page
    page.do("close")


def connected(page: Page, options: str = ALONE) -> list[list[Any]]:
    """Connect the page's socket; what it has seen."""
    seen: list[list[Any]] = page.run(f"connect({options}), until('connect')")
    assert ["connect"] in seen, seen
    return seen


@pytest.mark.feature("1.4 WebTransport: official client in Chromium")
def test_client_begins_with_webtransport(page, app):
    assert connected(page)[0] == ["open", "webtransport"]
    app.says("connection", "webtransport", "127.0.0.1")
    assert page.run("ask('echo', 'hällo ☺')") == "hällo ☺"
    assert page.run("ask('echo', new Uint8Array([1, 2, 255]).buffer)") == "bytes:1,2,255"
    assert page.run("ask('echo', new ArrayBuffer(0))") == "bytes:"
    page.run("void socket.disconnect()")
    app.says("disconnect", "client namespace disconnect", "webtransport")


def test_messages_of_all_sizes_go_both_ways(page):
    connected(page)
    for size in (100, 120, 130, 65_500, 65_600, 1_500_000):
        assert page.run(f"ask('echo', 'x'.repeat({size})).then((text) => text.length)") == size
        assert page.run(
            f"socket.timeout(8000).emitWithAck('echo', new Uint8Array({size}).fill(7))"
            ".then((got) => [got.byteLength, new Uint8Array(got).every((one) => one === 7)])"
        ) == [size, True]


@pytest.mark.feature("1.4 WebTransport: upgrade from polling")
def test_client_that_polls_goes_over_to_webtransport(page, app):
    seen = page.run(f"connect({UPGRADING}), until('upgrade')")
    assert ["open", "polling"] in seen
    assert ["upgrade", "webtransport"] in seen
    app.says("upgrade", "webtransport")
    assert page.run("ask('echo', 5)") == 5
    page.run("void socket.emit('news, please', 300)")
    page.do("until", "seen.filter((one) => one[0] === 'news').length === 300")
    assert page.run("seen.filter((one) => one[0] === 'news')") == [
        ["news", number, f"bytes:{number % 256}"] for number in range(300)
    ]
    page.run("void socket.disconnect()")
    app.says("disconnect", "client namespace disconnect", "webtransport")


def test_what_is_sent_during_the_upgrade_arrives_once_and_in_order(page):
    page.run(
        f"connect({UPGRADING}), until('connect')"
        ".then(() => { socket.emit('news, please', 500); return until('upgrade'); })"
    )
    page.do("until", "seen.filter((one) => one[0] === 'news').length >= 500")
    numbers = page.run("seen.filter((one) => one[0] === 'news').map((one) => one[1])")
    assert numbers == list(range(500))


def test_server_ends_a_client_behind_its_last_words(page, app):
    connected(page)
    page.run("void socket.emit('leave me')")
    page.do("until", "seen.some((one) => one[0] === 'disconnect')")
    assert page.run("seen.slice(2)") == [
        ["news", "last words", "bytes:"],
        ["disconnect", "io server disconnect"],
    ]
    app.says("disconnect", "server namespace disconnect", "webtransport")


def test_page_that_goes_away_is_a_client_that_has_left(page, app):
    connected(page)
    app.says("connection", "webtransport", "127.0.0.1")
    page.do("reload")
    app.says("disconnect", "transport close", "webtransport")


def test_client_that_the_application_refuses_hears_why(page):
    page.run('connect({transports: ["webtransport"], auth: {token: "wrong"}})')
    page.do("until", "seen.some((one) => one[0] === 'connect_error')")
    assert page.run("seen.at(-1)") == ["connect_error", "not you"]
    page.run("void socket.io._close()")


def test_client_that_allow_request_refuses_fails_at_once(page):
    connected(page)
    assert page.run("ask('refuse the next')") is True
    page.run("void socket.disconnect(), void (seen.length = 0)")
    page.run(f"void connect({ALONE})")
    page.do("until", "seen.some((one) => one[0] === 'connect_error')")
    assert page.run("seen.at(-1)") == ["connect_error", "webtransport error"]


def test_wrong_path_is_an_error_at_once(page):
    page.run('connect({transports: ["webtransport"], path: "/elsewhere"})')
    page.do("until", "seen.some((one) => one[0] === 'connect_error')")
    assert page.run("seen") == [["connect_error", "webtransport error"]]


@pytest.mark.fault(
    "the server stops while browsers are connected over WebTransport", "they hear of it at once"
)
def test_server_that_stops_says_so(browser, own):
    page = Page(browser, "stopping", own.url)
    connected(page)
    own.stop()
    page.do("until", "seen.some((one) => one[0] === 'disconnect')")
    assert page.run("seen.at(-1)") == ["disconnect", "transport close"]
    assert ["disconnect", "server shutting down", "webtransport"] in own.events
    page.do("close")
