"""The official client loses its connection and comes back: to our server, and to Node's own.

The scenarios (scenarios/recovery.js) lose it on the network, by a proxy between the two. Where Node can do it too the
transcripts of both are equal: what the client saw, and what the application did.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from apps import PYTHON_REASONS
from harness import MS, assert_clean, until
from recovery_app import BUILDERS

MODES = ["polling", "websocket", "upgrade"]
START_S = 20_000 * MS
MANUAL = Path(__file__).parents[2] / "docs" / "recovery.md"
PARSER = "socket.io-msgpack-parser"

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


@pytest.fixture(params=["io", "aio"])
def style(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


class NodeServer:
    """Node's own server with recovery_app.js."""

    def __init__(self, **options: Any) -> None:
        script = Path(__file__).with_name("recovery_app.js")
        self._process = subprocess.Popen(
            [str(shutil.which("node")), str(script), "0", json.dumps(options)],
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("LISTENS "), line
        self.url = line.split()[1]

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def nodes() -> Iterator[Any]:
    """`nodes(**options)` starts a server of Node's; it has noted nothing yet."""
    started: list[NodeServer] = []

    def start(**options: Any) -> NodeServer:
        started.append(NodeServer(**options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


class Players:
    """Plays a scenario to a server of ours, or to Node's."""

    def __init__(self, node: Any, serve: Any, nodes: Any, style: str) -> None:
        self._driver = node
        self._serve = serve
        self._nodes = nodes
        self._style = style

    async def ours(self, scenario: str, mode: str, recovery: Any = None, **args: Any) -> Any:
        app, self.control = BUILDERS[self._style](**(recovery or {}))
        server = await self._serve(app)
        result = await self._driver.play(scenario, server.url, mode, **args)
        await assert_clean(server)
        return result

    async def nodes_own(self, scenario: str, mode: str, recovery: Any = None, **args: Any) -> Any:
        server = self._nodes(**(recovery or {}))
        return await self._driver.play(scenario, server.url, mode, **args)

    def words(self, played: Any, says_goodbye: bool = False) -> Any:
        """Node's transcript with the words that this style has for its reasons.

        `says_goodbye`: the client closes its connection with a packet, which Node does not tell from its loss.
        """
        words = PYTHON_REASONS | ({"transport close": "client disconnect"} if says_goodbye else {})
        if self._style == "aio":
            for entry in played["log"]:
                if entry[1] == "disconnect":
                    entry[2] = words.get(entry[2], entry[2])
        return played


@pytest.fixture
def players(node: Any, serve: Any, nodes: Any, style: str) -> Players:
    return Players(node, serve, nodes, style)


def recovered(played: Any, where: str = "/") -> list[bool]:
    """Of each connect of the client, whether it was recovered."""
    return [entry[2] for entry in played["seen"] if entry[:2] == [where, "connect"]]


def events(played: Any, where: str = "/") -> list[Any]:
    """What the client saw besides connects and disconnects."""
    return [
        entry[1:]
        for entry in played["seen"]
        if entry[0] == where and entry[1] not in ("connect", "disconnect")
    ]


# --- as Node's own server --------------------------------------------------------------------

SAME = [
    ("comesBack", {"lose": "cut"}),
    ("comesBack", {"lose": "close"}),
    ("comesBack", {"lose": "engine"}),
    ("comesBackTwice", {}),
    ("comesBackInNamespaces", {}),
    ("comesBackAfterItWasPutOut", {}),
    ("comesBackAfterItLeft", {}),
]


@pytest.mark.feature("1.12 restore")
@pytest.mark.feature("1.12 wire")
@pytest.mark.parametrize(
    ("scenario", "args"), SAME, ids=["-".join([s, *a.values()]) for s, a in SAME]
)
async def test_transcript_is_that_of_nodes_own_server(
    players: Players, mode: str, scenario: str, args: dict[str, Any]
) -> None:
    ours = await players.ours(scenario, mode, **args)
    says_goodbye = mode == "polling" and args.get("lose") == "engine"
    nodes = players.words(await players.nodes_own(scenario, mode, **args), says_goodbye)
    assert ours == nodes
    # And it is not that neither can do it.
    is_back = "PutOut" not in scenario and "Left" not in scenario
    assert recovered(ours)[0] is False
    assert set(recovered(ours)[1:]) == {is_back}
    assert ours["log"][0][2:4] == [False, ["OWN"]]


@pytest.mark.feature("1.12 option")
async def test_client_that_comes_too_late_is_somebody_new(players: Players) -> None:
    recovery = {"max_disconnection_duration": 100 * MS}
    late = {"recovery": recovery, "after": 300 * MS * 1000}
    ours = await players.ours("comesBackLate", "websocket", **late)
    assert ours == players.words(await players.nodes_own("comesBackLate", "websocket", **late))
    assert recovered(ours) == [False, False]


# --- better than Node's own server -----------------------------------------------------------


@pytest.mark.feature("1.12 limits")
async def test_client_comes_back_before_its_first_event(players: Players, mode: str) -> None:
    ours = await players.ours("comesBackBeforeItsFirstEvent", mode)
    assert recovered(ours) == [False, True]
    assert events(ours) == [["missed", 1, "OFFSET"]]
    nodes = await players.nodes_own("comesBackBeforeItsFirstEvent", mode)
    assert recovered(nodes) == [False, False]


async def test_a_volatile_text_does_not_pass_for_an_offset(players: Players) -> None:
    ours = await players.ours("comesBackAfterAVolatileText", "websocket")
    assert recovered(ours) == [False, True]
    assert events(ours) == [
        ["known", 1, "OFFSET"],
        ["volatile", "a text", None],
        ["a volatile event without arguments", None],
        ["missed", 2, "OFFSET"],
    ]
    nodes = await players.nodes_own("comesBackAfterAVolatileText", "websocket")
    assert recovered(nodes) == [False, False]


@pytest.mark.feature("1.12 limits")
async def test_client_comes_back_while_the_server_thinks_it_is_there(
    players: Players, mode: str, style: str
) -> None:
    ours = await players.ours("comesBackWhileTheServerThinksItIsThere", mode)
    assert recovered(ours) == [False, True]
    assert events(ours) == [
        ["known", 1, "OFFSET"], ["into the void", 2, "OFFSET"], ["after", 3, "OFFSET"],
    ]  # fmt: skip
    assert recovered(ours, "/chat") == [False, True]
    assert events(ours, "/chat") == [["in chat", 1, "OFFSET"], ["into the void", 2, "OFFSET"]]
    # The application has seen one life after the other.
    for name, rooms in (("/", ["OWN", "room"]), ("/chat", ["OWN"])):
        assert [entry[1:] for entry in ours["log"] if entry[0] == name] == [
            ["connection", False, ["OWN"], {}],
            ["disconnect", "transport close"],
            ["connection", True, rooms, {}],
        ]
    nodes = await players.nodes_own("comesBackWhileTheServerThinksItIsThere", mode)
    assert recovered(nodes) == [False, False]


@pytest.mark.feature("1.12 order trap")
async def test_each_event_is_seen_once_however_often_the_connection_is_lost(
    players: Players, mode: str
) -> None:
    ours = await players.ours("losesNothing", mode, count=300, losses=6)
    assert recovered(ours) == [False] + [True] * 6


@pytest.mark.parametrize("scenario", ["comesBack", "comesBackInNamespaces"])
async def test_clients_with_the_msgpack_parser_come_back(
    players: Players, mode: str, scenario: str
) -> None:
    how = {"recovery": {"serializer": "msgpack"}, "parser": PARSER, "lose": "cut"}
    ours = await players.ours(scenario, mode, **how)
    assert ours == players.words(await players.nodes_own(scenario, mode, **how))
    assert recovered(ours) == [False, True]


async def test_client_with_the_msgpack_parser_comes_back_before_its_first_event(
    players: Players,
) -> None:
    # Its offset is there, and undefined: an extension of MessagePack.
    how = {"recovery": {"serializer": "msgpack"}, "parser": PARSER}
    ours = await players.ours("comesBackBeforeItsFirstEvent", "websocket", **how)
    assert recovered(ours) == [False, True]


# --- the manual ------------------------------------------------------------------------------


def example(number: int) -> Any:
    """What the manual's example of that number defines."""
    blocks = re.findall(r"```python\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(blocks[number], f"{MANUAL.name}, example {number}", "exec"), names)
    return SimpleNamespace(**names)


@pytest.mark.feature("1.12 restore")
@pytest.mark.parametrize("number", [0, 1])
async def test_the_manuals_servers_recover_the_official_client(
    node: Any, serve: Any, mode: str, number: int
) -> None:
    app = example(number)
    served = app.io if number == 0 else app.sio
    server = await serve(served)
    run = node.start("documentedRecovery", server.url, mode)
    await run.note("connected")
    (first,) = served.hub.root.sockets.values()
    assert first.data == {"name": "Ann"}
    run.say("close")
    for text in ("one", "two", "last"):
        served.hub.root.to("news").emit("headline", text)
        await until(lambda: first.id not in served.hub.root.sockets or not first.connected, "loss")
    result = await run.result()
    assert result == {"recovered": [False, True], "headlines": ["one", "two", "last"]}
    await assert_clean(server)


async def test_the_manuals_test_passes(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "app.py").write_text(blocks[0])
    (tmp_path / "test_app.py").write_text(blocks[2])
    environ = {**os.environ, "PYTHONPATH": f"{MANUAL.parents[1]}{os.pathsep}{tmp_path}"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_app.py"]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
