"""The tutorial that beginners read, played in Chromium to examples/tutorial/server.py, row by row.

With three clients: the very 2.0.2 that the tutorial loads from its CDN, and what the server itself has at
/socket.io/socket.io.v2.js and socket.io.js. Source: features.md section 5, whose rows the tests name.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import MS
from interop.chat_browser import Browser, ChatServer, Page

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SERVER = HERE / "tutorial_app.py"
CDN = "**/cdn.bootcss.com/socket.io/2.0.2/socket.io.js"
OF_THE_CDN = ROOT / "tests" / "clients" / "node_modules" / "client-2.0.2" / "dist" / "socket.io.js"
BUNDLED = ROOT / "fastsio" / "bundle"
JAVASCRIPT = "text/javascript; charset=utf-8"
# The name of a client: the file that it is, and the path at which the server has it.
CLIENTS = {
    "2.0.2": (OF_THE_CDN, None),
    "2.5.0": (BUNDLED / "socket.io.v2.js", "/socket.io/socket.io.v2.js"),
    "current": (BUNDLED / "socket.io.js", "/socket.io/socket.io.js"),
}
WORDS_S = 10_000 * MS
FORCE = '{"forceNew": true}'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if executable is None:
        pytest.fail("This test needs Chromium on the PATH.", pytrace=False)
    browser = Browser(executable)
    yield browser
    browser.close()


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def shared() -> Iterator[ChatServer]:
    yield from served()


@pytest.fixture
def own() -> Iterator[ChatServer]:
    """A server that the test may stop and start again."""
    yield from served()


def served() -> Iterator[ChatServer]:
    server = ChatServer(str(SERVER))
    yield server
    server.stop()
    # A middleware's refusal may be logged; nothing else has anything to complain of.
    complaints = [line for line in server.output if "failed" in line or "never" in line]
    assert not complaints, "".join(server.output)


class Tutorial:
    """The tutorial's page in the browser, and what the server has said since it was opened."""

    def __init__(
        self,
        browser: Browser,
        server: ChatServer,
        client: str,
        page: str = "tutorial",
        **window: Any,
    ) -> None:
        path, served_at = CLIENTS[client]
        script = {"path": str(path), "contentType": JAVASCRIPT}
        files = {CDN: script}
        if client != "current":
            files["**/socket.io/socket.io.js"] = script
        if page == "tutorial" and served_at is not None:
            page += f"?script={served_at}"
        self.server = server
        self.is_old = client != "current"
        self._begin = len(server.output)
        self.page = Page(browser, f"{client}-{id(self)}", server.url + page, files=files, **window)

    def begin(self) -> None:
        """Forget what there was: sockets of the page, lines of the server."""
        self.page.do("reload")
        self._begin = len(self.server.output)

    def open(self, name: str, *url_and_options: str) -> None:
        """`name = io.connect(…)` in the page, and its `connect`; the arguments are JavaScript."""
        self.run(f"open({', '.join([json.dumps(name), *url_and_options])})")
        self.hears(name, "connect")

    def run(self, script: str) -> Any:
        return self.page.run(script)

    def act(self, script: str) -> None:
        """run(), for what returns something that is not plain."""
        self.run(f"void {script}")

    def hears(self, name: str, event: str, times: int = 1) -> list[list[Any]]:
        """Wait until a socket has heard an event so often; returns the values of each."""
        heard = f"heard({json.dumps(name)}, {json.dumps(event)})"
        try:
            self.page.do("until", f"{heard}.length >= {times}")
        except AssertionError as error:
            raise AssertionError(f"{error}; log: {self.run('JSON.stringify(log)')}") from None
        return self.run(heard)

    def is_over(self, transport: str, name: str = "socket") -> None:
        """Wait until a socket has gone over to that transport."""
        self.page.do("until", f"sockets['{name}'].io.engine.transport.name === '{transport}'")

    def heard(self, name: str) -> list[str]:
        """The names of all events of a socket, in order."""
        return self.run(f"heard({json.dumps(name)})")

    def served(self, line: str, times: int = 1) -> None:
        """Wait until the server has said a line so often."""
        ends_at = time.monotonic() + WORDS_S
        while self.said(line) < times:
            assert time.monotonic() < ends_at, f"no {line!r} in {self.server.output[self._begin :]}"
            time.sleep(10 * MS)

    def said(self, line: str) -> int:
        return self.server.output[self._begin :].count(line + "\n")

    def close(self) -> list[str]:
        errors = self.page.do("errors")
        self.page.do("close")
        return errors


def close_all(pages: Iterable[Tutorial]) -> None:
    """None may have logged an error."""
    errors = [error for page in pages for error in page.close()]
    assert [error for error in errors if not is_expected(error)] == []


@pytest.fixture(scope="module")
def kept() -> Iterator[dict[str, Tutorial]]:
    """The tutorial's page by client, which tests have one after the other, loaded anew."""
    pages: dict[str, Tutorial] = {}
    yield pages
    close_all(pages.values())


@pytest.fixture
def tutorial(
    browser: Browser, shared: ChatServer, client: str, kept: dict[str, Tutorial]
) -> Iterator[Callable[..., Tutorial]]:
    """`tutorial()` is the page with the client; with arguments, one of its own."""
    opened: list[Tutorial] = []

    def open_page(server: ChatServer = shared, **window: Any) -> Tutorial:
        if server is not shared or window:
            opened.append(Tutorial(browser, server, client, **window))
            return opened[-1]
        if client in kept:
            kept[client].begin()
        else:
            kept[client] = Tutorial(browser, server, client)
        return kept[client]

    yield open_page
    close_all(opened)


def is_expected(error: str) -> bool:
    """What Chromium itself logs: connections to a server that is away, and requests that are refused on purpose."""
    return "net::ERR" in error or "Session ID unknown" in error or "400 (Bad Request)" in error


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.feature("1.1 create on a port")
@pytest.mark.feature("1.3 static files / pages")
def test_rows_13_18_19_the_pages_are_served_and_the_tutorials_runs_as_it_is(tutorial, client):
    root = tutorial(page="")
    root.page.sees("成功连接！")  # noqa: RUF001
    page = tutorial(page="index")
    page.page.sees("连接成功!")
    page.page.sees("Hello World!")
    page.served("message hello world!")


@pytest.mark.feature("1.3 serve client bundle")
@pytest.mark.parametrize("client", ["2.5.0", "current"], indirect=True)
def test_row_14_the_server_has_the_client_at_its_fixed_path(tutorial, client):
    page = tutorial()
    name = CLIENTS[client][1]
    status, kind, coding, etag = page.run(
        f"fetch('{name}', {{cache: 'no-store'}}).then((r) =>"
        " [r.status, ...['content-type', 'content-encoding', 'etag'].map((n) => r.headers.get(n))])"
    )
    assert (status, kind, coding) == (200, "application/javascript; charset=utf-8", "br")
    assert etag.strip('"') == (BUNDLED / ("V2_VERSION" if page.is_old else "VERSION")).read_text()


# --- connecting, messages -------------------------------------------------------------------------


ADDRESSES = ('"/"', "location.origin", "location.origin + '/'", "")


def test_rows_11_12_16_17_connect_and_disconnect_come_once_whatever_the_address(tutorial):
    page = tutorial()
    for count, url in enumerate(ADDRESSES, 1):
        name = f"socket {count}"
        page.open(name, *([url] if url else []))
        page.hears(name, "message")
        page.act(f"sockets['{name}'].disconnect()")
        (reason,) = page.hears(name, "disconnect")
        assert reason[0] == "io client disconnect"
        page.served("disconnect / client namespace disconnect", count)
        assert page.heard(name) == ["connect", "message", "disconnect"]
    assert page.said("disconnect / client namespace disconnect") == len(ADDRESSES)


@pytest.mark.feature("1.7 send")
def test_rows_4_20_21_22_send_and_emit_go_both_ways_with_any_number_of_values(tutorial):
    page = tutorial()
    page.open("socket", '"/"')
    assert page.hears("socket", "message") == [["Hello World!"]]
    assert page.run("sockets.socket.send('hello world!') === sockets.socket")
    page.served("message hello world!")
    answer = page.run("ask('socket', 'order', 'soup', 2, {hot: true, with: ['bread', null]})")
    assert answer == "2 x soup"
    assert page.hears("socket", "served") == [["soup", 2, {"hot": True, "with": ["bread", None]}]]
    page.served("order soup 2 {'hot': True, 'with': ['bread', None]}")


TRANSPORTS = (
    ({"transports": ["polling"]}, "polling"),
    ({"transports": ["websocket"]}, "websocket"),
    ({}, "websocket"),
    ({"transports": ["polling"], "forceJSONP": True}, "polling"),
)


@pytest.mark.feature("1.15 EIO3 clients")
@pytest.mark.feature("1.4 upgrade")
def test_rows_1_2_8_every_transport_carries_text_of_all_kinds(tutorial):
    page = tutorial()
    text = "quotes \" ' backslash \\ \\n newline \n 连接成功 \U0001f98a \u2028"
    for count, (options, transport) in enumerate(TRANSPORTS):
        name = f"socket {count}"
        page.open(name, '"/"', json.dumps(options | {"forceNew": True}))
        page.is_over(transport, name)
        answer = page.run(f"ask('{name}', 'order', {json.dumps(text)}, 1, {{}})")
        assert answer == f"1 x {text}"
        assert page.hears(name, "served") == [[text, 1, {}]]
    if page.is_old:  # as scripts, which later clients have no more
        assert page.run("document.querySelectorAll('script[src*=\"j=\"]').length") >= 1


# --- namespaces, rooms, broadcasts ----------------------------------------------------------------


@pytest.mark.feature("1.9 namespaces")
def test_rows_16_26_27_messages_of_a_namespace_stay_in_it(tutorial):
    page = tutorial()
    page.open("root", '"/"')
    page.open("chat", '"/chat"')
    assert page.hears("chat", "message") == [["Hello from /chat"]]
    page.act("sockets.root.emit('everybody', 'to the root')")
    assert page.hears("root", "news") == [["to the root"]]
    assert page.heard("chat") == ["connect", "message"]
    assert page.run("sockets.root.io === sockets.chat.io")  # one connection for both
    page.act("sockets.chat.disconnect()")
    page.served("disconnect /chat client namespace disconnect")
    page.act("sockets.root.emit('everybody', 'still here')")
    assert page.hears("root", "news", 2)[1] == ["still here"]


@pytest.mark.feature("1.8 rooms")
def test_rows_28_30_a_room_hears_what_is_said_in_it_until_one_leaves(tutorial):
    page = tutorial()
    for name in ("ann", "bob", "eve"):
        page.open(name, f'"/chat?name={name}"', FORCE)
        page.served(f"connection /chat {name}")
    for name in ("ann", "bob"):
        assert page.run(f"ask('{name}', 'join', 'cats')") == ["cats"]
    page.act("sockets.ann.emit('say', 'cats', 'meow')")
    assert page.hears("bob", "said") == [["cats", "meow"]]
    assert page.run("ask('bob', 'leave', 'cats')") == []
    page.act("sockets.ann.emit('say', 'cats', 'anybody?')")
    page.run("ask('ann', 'join', 'dogs')")  # behind it
    page.run("ask('bob', 'join', 'dogs')")
    page.act("sockets.ann.emit('say', 'dogs', 'woof')")
    assert page.hears("bob", "said", 2)[1] == ["dogs", "woof"]
    for name in ("ann", "eve"):
        assert "said" not in page.heard(name)


@pytest.mark.feature("1.7 broadcast")
def test_row_29_a_broadcast_reaches_everybody_but_the_one_who_speaks(tutorial):
    page = tutorial()
    names = ("ann", "bob", "eve")
    for name in names:
        page.open(name, '"/"', FORCE)
    page.act("sockets.ann.emit('others', 'to the others')")
    page.act("sockets.ann.emit('everybody', 'to all')")
    assert page.hears("ann", "news") == [["to all"]]
    for name in ("bob", "eve"):
        assert page.hears(name, "news", 2) == [["to the others"], ["to all"]]


# --- who may come in ------------------------------------------------------------------------------


@pytest.mark.feature("1.5 namespace middleware")
def test_row_31_middleware_lets_in_who_has_a_cookie(tutorial, shared):
    page = tutorial(cookies=[{"name": "user", "value": "ann", "url": shared.url}])
    page.open("member", '"/members"')
    assert page.hears("member", "welcome") == [["user=ann"]]
    page.served("connection /members user=ann")


@pytest.mark.feature("1.5 namespace middleware")
def test_row_31_middleware_refuses_who_has_none_in_the_clients_own_words(tutorial):
    page = tutorial()
    page.run('open("stranger", "/members")')
    refusal = page.hears("stranger", "error" if page.is_old else "connect_error")
    assert refusal == [["Authentication error"]]
    page.open("chat", '"/chat"')  # the connection is not closed by it
    assert "connect" not in page.heard("stranger")


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.feature("1.10 handshake query")
def test_rows_32_34_35_parameters_of_the_address_arrive_and_middleware_without_next_lets_in(
    tutorial,
):
    page = tutorial()
    page.open("ann", '"/query?user=ann&x=1&x=2"', FORCE)
    user, query, auth = page.hears("ann", "you are")[0]
    assert (user, query["user"], query["x"]) == ("ann", "ann", "2")
    assert auth == ({"user": "ann", "x": "2"} if page.is_old else {})
    page.open("bob", '"/query"', '{"query": {"user": "bob"}, "forceNew": true}')
    assert page.hears("bob", "you are")[0][0] == "bob"
    page.open("eve", '"/query"', '{"_query": "user=eve", "forceNew": true}')
    assert page.hears("eve", "you are")[0][0] == "nobody"  # the option is `query`


def test_row_33_sid_is_no_parameter_and_the_server_says_so(tutorial, own):
    page = tutorial(own)
    page.run('open("ann", "/", {"query": {"sid": "123456"}, "reconnection": false})')
    assert page.hears("ann", "connect_error") == [["xhr poll error"]]
    page.server.stop()
    assert "a `sid` of its own" in "".join(page.server.output), page.server.output
    own.start()


# --- the server goes and comes back ---------------------------------------------------------------


@pytest.mark.feature("1.13 transport close")
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_rows_24_25_events_of_a_restart_come_in_their_order(tutorial, own, end):
    page = tutorial(own)
    page.open("socket", '"/"', '{"reconnectionDelay": 200, "reconnectionDelayMax": 200}')
    page.open("chat", '"/chat"')
    page.is_over("websocket")
    getattr(own, end)()
    assert page.hears("socket", "disconnect")[0][0] == "transport close"
    own.start()
    page.hears("socket", "connect", 2)
    page.hears("chat", "connect", 2)
    events = [event for event in page.heard("socket") if event not in ("message", "connect_error")]
    # Each attempt that failed has its own; the order is the last one's.
    first, attempts, last = events[:2], events[2:-2], events[-2:]
    assert first == ["connect", "disconnect"]
    assert attempts[:1] == ["reconnect_attempt"]
    assert set(attempts) == (
        {"reconnect_attempt", "reconnecting"} if page.is_old else {"reconnect_attempt"}
    )
    assert last == ["reconnect", "connect"]
    assert page.run("ask('socket', 'order', 'tea', 1, {})") == "1 x tea"
    assert page.hears("chat", "message", 2) == [["Hello from /chat"]] * 2
