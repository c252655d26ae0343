"""The chat example in a real browser: people in headless Chromium talk through both of its servers.

Chromium is driven by chat_browser.js. Every test gets a server of its own on a free port. Screenshots
are left in pytest's temporary folder.
"""

from __future__ import annotations

import base64
import json
import random
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from interop.chat_browser import MESSAGES, SEND, TEXT, Browser, ChatServer, Page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    executable = next(found, None)
    if executable is None:
        pytest.fail("This test needs Chromium on the PATH.", pytrace=False)
    browser = Browser(executable)
    yield browser
    browser.close()


@pytest.fixture(params=["server_aio.py", "server_io.py"])
def server(request: pytest.FixtureRequest) -> Iterator[ChatServer]:
    server = ChatServer(request.param)
    yield server
    server.stop()
    output = "".join(server.output)
    assert "Traceback" not in output, output


@pytest.fixture
def page(
    browser: Browser, server: ChatServer, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """`page()` opens a window on the chat; at the end none may have logged an error."""
    pages: list[Page] = []

    def open_page(query: str = "", **window: Any) -> Page:
        pages.append(Page(browser, f"{len(pages)}", server.url + query, **window))
        return pages[-1]

    yield open_page
    errors = [error for page in pages for error in page.do("errors")]
    for opened in pages:
        opened.do("close")
    # While a server is away, Chromium itself logs every attempt to connect.
    assert [error for error in errors if "net::ERR" not in error] == [], errors


def png(width: int, height: int, noisy: bool = False) -> bytes:
    """A PNG of that size: plain, or noise that cannot be compressed."""
    row = random.Random(1).randbytes if noisy else bytes
    rows = b"".join(b"\0" + row(3 * width) for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def file(name: str, content: bytes, type_: str = "image/png") -> dict[str, str]:
    return {"name": name, "type": type_, "base64": base64.b64encode(content).decode()}


def test_two_people_talk_and_see_the_same_messages_in_the_same_order(page, tmp_path):
    ann = page().join("Ann")
    bob = page(width=390, height=844, dark=True, touch=True).join("Bob")
    ann.is_connected_over("websocket")
    bob.is_connected_over("websocket")
    ann.sees_people("Ann", "Bob")
    bob.sees_people("Ann", "Bob")
    ann.sees("Bob joined")

    said = []
    for turn in range(5):
        for person, name in ((ann, "Ann"), (bob, "Bob")):
            said.append(f"{name} says {turn}: naïve, 日本, 🦊")
            person.say(said[-1])
    ann.sees_messages(*sorted(said, key=said.index))
    bob.sees_messages(*ann.do("texts", MESSAGES))
    assert ann.run("document.querySelectorAll('.own').length") == 5
    assert bob.do("texts", ".message:not(.own) .from") == ["Ann"] * 5

    ann.do("screenshot", str(tmp_path / "ann.png"))
    bob.do("screenshot", str(tmp_path / "bob.png"))


def test_a_burst_from_both_sides_is_in_the_same_order_for_both(page):
    ann, bob = page().join("Ann"), page().join("Bob")
    burst = """for (let i = 0; i < 20; i++) {
        document.getElementById("text").value = `${i}`;
        document.getElementById("composer").requestSubmit();
    }"""
    ann.run(burst)
    bob.run(burst)
    for person in (ann, bob):
        person.do("until", f"document.querySelectorAll('{MESSAGES}').length === 40")
        person.do("wait", ".pending", "detached")
    order = ann.do("texts", MESSAGES)
    assert bob.do("texts", MESSAGES) == order
    assert sorted(order, key=int) == [str(i) for i in range(20) for _ in "ab"]


def test_others_see_who_is_typing_until_the_message_comes(page):
    ann, bob = page().join("Ann"), page().join("Bob")
    bob.do("type", TEXT, "Hel")
    ann.sees("Bob is typing…")
    assert bob.do("texts", "#typing") == [""]
    bob.do("type", TEXT, "lo")
    bob.do("click", SEND)
    ann.sees_messages("Hello")
    assert ann.do("texts", "#typing") == [""]


def test_a_picture_is_shown_to_the_sender_and_to_the_others(page, tmp_path):
    ann, bob = page().join("Ann"), page().join("Bob")
    ann.do("choose", "input[type=file]", file("garden.png", png(320, 200)))
    ann.sees("garden.png", "#preview")
    ann.do("fill", TEXT, "My garden")
    ann.do("click", SEND)
    for person in (ann, bob):
        person.sees_picture(320)
        person.sees_messages("My garden")
    bob.do("click", 'role=button[name="Picture from Ann: garden.png"]')
    bob.do("until", "document.querySelector('dialog[open] img').naturalWidth === 320")
    bob.do("screenshot", str(tmp_path / "bob.png"))


@pytest.mark.parametrize("server", ["server_aio.py"], indirect=True)
def test_pictures_can_be_pasted_and_dropped_and_their_bytes_arrive_unchanged(page):
    ann, bob = page().join("Ann"), page().join("Bob")
    pictures = [png(41, 30), png(52, 30)]
    ann.do("paste", TEXT, file("pasted.png", pictures[0]))
    ann.sees("pasted.png", "#preview")
    ann.do("click", SEND)
    ann.do("drop", "#log", file("dropped.png", pictures[1]))
    ann.sees("dropped.png", "#preview")
    ann.do("click", SEND)
    bob.sees_picture(41, index=0)
    bob.sees_picture(52, index=1)
    received = bob.run(
        "[...document.querySelectorAll('.message')].map((m) => [...new Uint8Array(m.item.picture)])"
    )
    assert [bytes(picture) for picture in received] == pictures


@pytest.mark.parametrize(
    ("server", "transport"),
    [("server_aio.py", "polling"), ("server_io.py", "websocket")],
    indirect=["server"],
)
def test_a_picture_just_under_the_limit_goes_over_either_transport_alone(page, transport):
    ann, bob = (page(f"?transport={transport}").join(name) for name in ("Ann", "Bob"))
    ann.is_connected_over(transport)
    picture = png(1150, 1150, noisy=True)
    assert 3_900_000 < len(picture) < 4_000_000
    ann.do("choose", "input[type=file]", file("large.png", picture))
    ann.sees("large.png", "#preview")
    ann.do("click", SEND)
    bob.sees_picture(1150)
    bob.say("It came")
    ann.sees_messages("It came")
    ann.is_connected_over(transport)


@pytest.mark.parametrize("server", ["server_io.py"], indirect=True)
def test_a_file_that_is_too_large_or_no_picture_is_refused_before_it_is_sent(page):
    ann = page().join("Ann")
    ann.do("choose", "input[type=file]", file("huge.png", png(1200, 1200, noisy=True)))
    ann.sees("huge.png has 4.4 MB: a picture may have up to 4 MB.")
    script = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    ann.do("choose", "input[type=file]", file("evil.png", script))
    ann.sees("evil.png is not a PNG, JPEG, GIF or WebP picture.")
    assert ann.do("texts", "#preview:visible") == []


def test_rooms_are_created_and_switched_and_keep_their_messages_apart(page):
    ann, bob = page().join("Ann"), page().join("Bob")
    ann.say("In the lobby")
    bob.sees_messages("In the lobby")
    bob.do("fill", 'role=textbox[name="New room"]', "Cats")
    bob.do("press", 'role=textbox[name="New room"]', "Enter")
    bob.sees("Cats", "#room-name")
    bob.sees_messages()
    bob.sees_people("Bob")
    ann.sees_people("Ann")
    bob.say("Only for cats")
    bob.sees_messages("Only for cats")
    ann.say("Where is Bob?")
    ann.sees_messages("In the lobby", "Where is Bob?")

    ann.do("click", 'role=button[name="Cats 1 online"]')
    ann.sees_messages("Only for cats")
    bob.sees_people("Bob", "Ann")
    bob.do("click", 'role=button[name="Lobby 0 online"]')
    bob.sees_messages("In the lobby", "Where is Bob?")


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_pages_survive_a_restart_and_what_was_written_meanwhile_arrives_once(
    page, server, tmp_path, end
):
    ann, bob = page().join("Ann", "Garden"), page().join("Bob", "Garden")
    ann.say("Before")
    bob.sees_messages("Before")

    getattr(server, end)()
    ann.sees("Reconnecting…")
    bob.sees("Reconnecting…")
    ann.say("Written while away")
    ann.do("choose", "input[type=file]", file("away.png", png(77, 50)))
    ann.sees("away.png", "#preview")
    ann.do("click", SEND)
    ann.sees("Waits for the connection")
    ann.do("screenshot", str(tmp_path / "away.png"))

    server.start()
    for person in (ann, bob):
        person.is_connected_over("websocket")
        person.sees_picture(77)
    bob.sees("Ann", "#people")
    ann.sees("Bob", "#people")
    bob.say("After")
    for person in (ann, bob):
        person.sees_messages("Before", "Written while away", "After")
        person.sees("Garden", "#room-name")
        assert person.run("document.querySelectorAll('.picture').length") == 1
    ann.do("screenshot", str(tmp_path / "back.png"))


@pytest.mark.parametrize("server", ["server_io.py"], indirect=True)
def test_a_message_whose_answer_was_lost_is_not_shown_twice(page):
    ann, bob = page().join("Ann"), page().join("Bob")
    # The connection breaks after the message has gone out: nobody tells Ann that it arrived.
    ann.run("""(() => {
        const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (data) {
            send.call(this, data);
            if (!String(data).includes('"message"')) return;
            WebSocket.prototype.send = send;
            this.onmessage = null;
            setTimeout(() => this.close(), 300);
        };
    })()""")
    ann.say("Did you get this?")
    bob.sees_messages("Did you get this?")
    ann.sees("Reconnecting…")
    ann.is_connected_over("websocket")
    ann.sees_messages("Did you get this?")
    bob.say("Yes, once")
    for person in (ann, bob):
        person.sees_messages("Did you get this?", "Yes, once")


def test_a_tab_takes_its_name_back_from_a_connection_that_broke_unnoticed(page):
    ann, bob = page().join("Ann"), page().join("Bob")
    key = ann.run("sessionStorage.getItem('chat')")
    again = page()
    again.run(f"sessionStorage.setItem('chat', {json.dumps(key)})")
    again.do("reload")
    again.do("wait", TEXT)
    ann.sees("You went on in another tab.")
    again.say("Here again")
    bob.sees_messages("Here again")
    bob.sees_people("Bob", "Ann")


def test_a_click_on_join_before_the_connection_stands_does_not_end_it(page):
    # A second CONNECT while the first is under way is none that a server takes: it closes the session.
    script = """(() => {
        const send = XMLHttpRequest.prototype.send;
        XMLHttpRequest.prototype.send = function (body) {
            send.call(this, body);
            if (body !== "40") return;
            XMLHttpRequest.prototype.send = send;
            queueMicrotask(() => {
                document.getElementById("door-name").value = "Ann";
                document.getElementById("door-form").requestSubmit();
                window.joined = true;
            });
        };
    })()"""
    ann = page(script=script)
    ann.is_connected_over("websocket")
    assert ann.run("window.joined")
    ann.sees_people("Ann")
    ann.say("First")
    ann.sees_messages("First")
    requests = ann.run("performance.getEntriesByType('resource').map((one) => one.name)")
    handshakes = [one for one in requests if "transport=polling" in one and "sid=" not in one]
    assert len(handshakes) == 1, requests


@pytest.mark.parametrize("server", ["server_aio.py"], indirect=True)
def test_a_reload_comes_back_to_the_room_with_its_messages_and_nobody_is_told(page):
    ann, bob = page().join("Ann"), page().join("Bob")
    ann.say("Hello")
    bob.sees_messages("Hello")
    bob.do("reload")
    bob.sees_messages("Hello")
    bob.say("Back")
    ann.sees_messages("Hello", "Back")
    assert ann.do("texts", ".note") == ["Bob joined"]


@pytest.mark.parametrize("server", ["server_io.py"], indirect=True)
def test_names_are_unique_and_refusals_say_why(page):
    ann, bob = page().join("Ann"), page()
    bob.ask_to_join("\uff21\uff2e\uff2e")
    bob.sees("Somebody is called Ann already: choose another.", "#door")
    bob.ask_to_join("\u200b ")
    bob.sees("The name is empty.", "#door")
    bob.join("Bob")
    ann.sees_people("Ann", "Bob")
    bob.do("fill", TEXT, "x")
    assert bob.run("document.getElementById('text').maxLength") == 2000


@pytest.mark.parametrize("server", ["server_aio.py"], indirect=True)
def test_markup_in_names_rooms_and_messages_stays_text(page):
    ann = page().join("<b>Ann</b>", "<img src=x>")
    bob = page().join("Bob", "<img src=x>")
    ann.say("<img src=x onerror='document.title=1'><script>1</script>")
    bob.sees_messages("<img src=x onerror='document.title=1'><script>1</script>")
    bob.sees_people("<b>Ann</b>", "Bob")
    for person in (ann, bob):
        assert person.run("document.querySelectorAll('#chat b, #log img, #log script').length") == 0
        assert person.run("document.title") == "<img src=x> \u2013 Chat"


# A client of its own inside a page: what it sends, and what the answer says.
HOSTILE = [
    ("join", [], "not an object"),
    ("join", [None], "not an object"),
    ("join", [{"name": 1, "room": "Lobby", "key": "12345678"}], "name is not a text"),
    ("join", [{"name": "x" * 25, "room": "Lobby", "key": "12345678"}], "at most 24"),
    ("join", [{"name": "x" * 100_000, "room": "Lobby", "key": "12345678"}], "at most 24"),
    ("join", [{"name": "Mallory", "room": "y" * 33, "key": "12345678"}], "at most 32"),
    ("join", [{"name": "Mallory", "room": "\u202e\u2066", "key": "12345678"}], "room is empty"),
    ("join", [{"name": "Mallory", "room": "Lobby", "key": ["a"] * 9}], "key of the request"),
    ("join", [{"name": "ann", "room": "Lobby", "key": "12345678"}, "more"], "called Ann already"),
    ("message", [{"id": "12345678", "text": "not yet in"}], "Join a room first"),
    ("join", [{"name": "Mallory", "room": "Lobby", "key": "12345678", "since": {}}], None),
    ("message", [], "not an object"),
    ("message", [[["deep"]], 2, 3], "not an object"),
    ("message", [{"text": "no id"}], "id of the request"),
    ("message", [{"id": "12345678", "text": 5}], "not a text"),
    ("message", [{"id": "12345678", "text": " \u0000 "}], "is empty"),
    ("message", [{"id": "12345678", "text": "z" * 2001}], "at most 2000"),
    ("message", [{"id": "12345678", "picture": "no bytes"}], "not binary"),
    ("message", [{"id": "12345678", "picture": {"$": 100}}], "not a PNG"),
    ("message", [{"id": "12345678", "picture": {"$": 4_000_001}}], "at most 4 MB"),
]


def test_wrong_requests_get_an_answer_and_disturb_nobody(page):
    ann, bob, mallory = page().join("Ann"), page().join("Bob"), page()
    answers = mallory.run(
        """(async (requests) => {
            const socket = window.hostile = io({ forceNew: true });
            const answers = [];
            for (const [event, args] of requests) {
                const bytes = args[0]?.picture?.["$"];
                if (bytes) args[0].picture = new ArrayBuffer(bytes);
                socket.emit("typing", { garbage: true }, [null]);
                answers.push(await socket.timeout(5000).emitWithAck(event, ...args));
            }
            return answers;
        })(%s)"""
        % json.dumps([request[:2] for request in HOSTILE])
    )
    for (event, _args, error), answer in zip(HOSTILE, answers, strict=True):
        assert (error or "") in answer.get("error", ""), (event, answer)
        assert ("error" in answer) == (error is not None), (event, answer)
    ann.sees_people("Ann", "Bob", "Mallory")

    flood = mallory.run(
        """Promise.all(Array.from({ length: 100 }, (_, i) =>
            hostile.timeout(5000).emitWithAck("message", { id: `flood-${i + 1000}`, text: `${i}` })))"""
    )
    assert "too much at once" in flood[-1]["error"]
    mallory.run("void hostile.emit('message', new ArrayBuffer(7_000_000))")  # ends its connection
    ann.sees_people("Ann", "Bob")

    bob.say("Still here")
    ann.sees("Still here", "#messages")
    ann.is_connected_over("websocket")
    bob.is_connected_over("websocket")
