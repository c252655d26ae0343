"""`fastsio schema`: what it reads, an AsyncAPI document that is one, TypeScript that the official client takes."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jsonschema
import msgspec
import pydantic
import pytest

import fastsio
import schema_app
from fastsio import cli
from fastsio.schema import SchemaError, asyncapi, read, typescript

TESTS = Path(__file__).resolve().parents[2]
NPM = TESTS / "node_modules"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, from which schema_app can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(TESTS), *sys.path])
    return tmp_path


def check_asyncapi(document: Any) -> None:
    schema = json.loads((NPM / "@asyncapi/specs/schemas/3.0.0.json").read_text())
    jsonschema.Draft7Validator(schema).validate(document)
    # References in it lead somewhere.
    for reference in references(document):
        target = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
    for component in document["components"].get("schemas", {}).values():
        jsonschema.Draft7Validator.check_schema(component)


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for item in value.values() for one in references(item)]
    if isinstance(value, list):
        return [one for item in value for one in references(item)]
    return []


def tsc(folder: Path, **files: str) -> str:
    """What the compiler says of these modules; empty if they are right."""
    for name, text in files.items():
        (folder / f"{name}.ts").write_text(text)
    (folder / "node_modules").symlink_to(NPM)
    options = {
        "strict": True,
        "noEmit": True,
        "target": "es2022",
        "module": "nodenext",
        "types": [],
    }
    config = {"compilerOptions": options, "files": [f"{name}.ts" for name in files]}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    (folder / "package.json").write_text('{"type": "module"}')
    done = subprocess.run(
        [NPM / ".bin" / "tsc", "-p", folder],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.stdout + done.stderr


# --- AsyncAPI -------------------------------------------------------------------------------------


def test_asyncapi_document_is_valid_and_names_every_event() -> None:
    document = asyncapi(read(schema_app.io.hub), "Chat", "2.0")
    check_asyncapi(document)
    assert document["info"]["title"] == "Chat" and document["info"]["version"] == "2.0"
    assert {key: channel["address"] for key, channel in document["channels"].items()} == {
        "root": "/",
        "chat-room": "/chat-room",
    }
    assert document["operations"]["root.client.move"]["action"] == "receive"
    assert document["operations"]["root.server.news"]["action"] == "send"
    assert "reply" not in document["operations"]["root.server.news"]
    message = document["components"]["messages"]["root.client.move"]
    assert message["summary"] == "Move a piece." and "somewhere" in message["description"]


@pytest.mark.parametrize(
    ("key", "args", "is_valid"),
    [
        ("root.client.move", [{"x": 1}, "label"], True),
        ("root.client.move", [{"x": 1}, "label", "dropped"], True),
        ("root.client.move", [], False),
        ("root.client.move", [{"x": "1"}], False),
        ("root.client.draw", [{"type": "circle", "r": 1}, None], True),
        ("root.client.draw", [{"type": "square", "side": 0}], False),
        ("root.client.chat_message", ["a", 1, 2], True),
        ("root.client.chat_message", ["a", 1, "2"], False),
        ("root.client.untyped", [1, "a"], True),
        ("root.client.move.ack", [{"x": 1}], True),
        ("root.client.move.ack", [{"error": {
            "code": "invalid_argument", "event": "move", "argument": 0, "name": "to", "path": "", "message": "",
        }}], True),
        ("root.client.move.ack", [], False),
        ("root.client.maybe.ack", [], True),
        ("root.client.draw.ack", [], True),
        ("root.client.draw.ack", [1], False),
        ("root.server.news", [{"x": 1}, True], True),
        ("root.server.question.ack", ["a"], False),
        ("chat-room.client.say", [{"name": "a"}, [1, 2], ["x"]], True),
        ("chat-room.client.say", [{"name": "a"}, [1], ["x"]], False),
    ],
)  # fmt: skip
def test_payloads_describe_what_the_server_takes(key: str, args: Any, is_valid: bool) -> None:
    document = asyncapi(read(schema_app.io.hub), "Chat")
    payload = document["components"]["messages"][key]["payload"]
    checker = jsonschema.Draft7Validator({**payload, "components": document["components"]})
    assert checker.is_valid(args) is is_valid


def test_python_socketios_style_is_read_too() -> None:
    application = read(schema_app.sio.hub)
    document = asyncapi(application, "sio")
    check_asyncapi(document)
    assert document["channels"]["root"]["x-auth"] == {"$ref": "#/components/schemas/Point"}
    assert set(document["channels"]["chat"]["messages"]) == {"client.say", "client.say.ack"}
    plain = document["components"]["messages"]["root.client.plain"]["payload"]
    assert plain == {"type": "array", "items": {}}
    plainer = document["components"]["messages"]["root.client.plainer"]["payload"]
    assert plainer["items"] == [{"title": "a", "type": "integer"}, {"title": "c"}]
    assert len(application.notes) == 2
    assert "'Unknown'" in application.notes[0] and "is left out" in application.notes[1]


def test_two_classes_of_a_name_are_told_apart() -> None:
    def make(kind: type) -> Any:
        return msgspec.defstruct("Thing", [("a", kind)], module=f"of_{kind.__name__}")

    thing = pydantic.create_model("Thing", b=(int, ...))
    io = fastsio.IO()
    io.emits("one", make(int))
    io.emits("two", make(str))
    io.emits("three", thing)
    io.emits("four", list[thing])
    document = asyncapi(read(io.hub), "x")
    check_asyncapi(document)
    names = {
        key: references(message["payload"])[0]
        for key, message in document["components"]["messages"].items()
    }
    assert len(set(names.values())) == 3
    assert names["root.server.three"] == names["root.server.four"]


def test_namespaces_of_a_pattern_are_one_channel_with_parameters(folder: Path) -> None:
    io = fastsio.IO()

    @io.of("/room/{id}/{number:int}").event
    def say(socket, text: str) -> str: ...

    io.of(re.compile(r"^/\d+$")).emits("tick")
    io.of(lambda name, auth: True).emits("tock")

    @io.sio.on("ask", namespace="/room/{id}/{number:int}")
    async def ask(namespace, sid, text: str): ...

    io.of("/room/a/1")
    document = asyncapi(read(io.hub), "x")
    check_asyncapi(document)
    assert {key: channel["address"] for key, channel in document["channels"].items()} == {
        "_2": None,
        "room__id___number_": "/room/{id}/{number}",
        "___d__": None,
    }
    assert document["channels"]["room__id___number_"]["parameters"] == {"id": {}, "number": {}}
    messages = document["channels"]["room__id___number_"]["messages"]
    assert set(messages) == {"client.ask", "client.ask.ack", "client.say", "client.say.ack"}
    text = typescript(read(io.hub))
    assert "RoomIdNumberClientToServerEvents" in text and "Namespace2Socket" in text
    assert tsc(folder, schema=text) == ""


def test_the_same_application_gives_the_same_text_in_every_process() -> None:
    texts = set()
    for seed in ("1", "2"):
        environ = os.environ | {"PYTHONHASHSEED": seed}
        for form in ("asyncapi", "typescript"):
            done = subprocess.run(
                [sys.executable, "-m", "fastsio", "schema", "schema_app:io", "--format", form],
                capture_output=True, text=True, timeout=60, check=True, cwd=TESTS, env=environ,
            )  # fmt: skip
            texts.add(done.stdout)
    assert len(texts) == 2


# --- TypeScript -----------------------------------------------------------------------------------

USE = """
import { io, type Socket } from "socket.io-client";
import type {
  ChatRoomSocket, ClientToServerEvents, InvalidArgument, Point, RootSocket, ServerToClientEvents, User,
} from "./schema.js";

const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io("http://localhost");
const same: RootSocket = socket;
const chat: ChatRoomSocket = io("/chat-room");

socket.on("news", (item, urgent) => {
  const x: number = item.x;
  const is: boolean | undefined = urgent;
  console.log(x, is);
});
socket.on("question", (text, ack) => ack(text.length));
// @ts-expect-error: an answer of another type
socket.on("question", (text, ack) => ack(text));
// @ts-expect-error: no such event
socket.on("nothing", () => {});
chat.on("joined", (user: User) => console.log(user.friends?.[0]?.name));

socket.emit("move", { x: 1 }, (answer: Point | InvalidArgument) => {
  if ("error" in answer) console.log(answer.error.message);
  else console.log(answer.y);
});
socket.emit("move", { x: 1, y: 2 }, "label", () => {});
// @ts-expect-error: a missing field
socket.emit("move", { y: 1 }, () => {});
// @ts-expect-error: a wrong type
socket.emit("move", { x: "1" }, () => {});
socket.emit("draw", { type: "circle", r: 1, data: new Uint8Array(1) });
socket.emit("draw", { type: "square", side: 1 }, { color: "red" }, (error) => console.log(error?.error.path));
// @ts-expect-error: no such shape
socket.emit("draw", { type: "oval" });
socket.emit("chat message", "text", 1, 2, (length, user) => console.log(length, user?.name));
socket.emit("chat message", new ArrayBuffer(1), () => {});
// @ts-expect-error: text among the numbers
socket.emit("chat message", "text", 1, "2", () => {});
socket.emit("untyped", 1, "a", {});
socket.emit("ask", 1, (a, b) => console.log(a, b));
socket.emit("maybe", null, (answer) => console.log(answer));
chat.emit("say", { name: "Ann" }, [1, 2], ["a"], (users) => console.log(users));

async function answers() {
  const moved: Point | InvalidArgument = await same.timeout(1000).emitWithAck("move", { x: 1 });
  const users = await chat.emitWithAck("say", { name: "Ann" }, [1, 2], ["a"]);
  const maybe: Point | InvalidArgument | undefined = await socket.emitWithAck("maybe", 1);
  if (Array.isArray(users)) console.log(users[0].name);
  // @ts-expect-error: not a string
  const wrong: string = await socket.emitWithAck("move", { x: 1 });
  console.log(moved, maybe, wrong);
}
answers();
"""


def test_typescript_is_what_the_official_client_takes(folder: Path) -> None:
    text = typescript(read(schema_app.io.hub))
    assert tsc(folder, schema=text, use=USE) == ""


def test_a_wrong_use_would_have_been_seen(folder: Path) -> None:
    text = typescript(read(schema_app.io.hub))
    said = tsc(folder, schema=text, use=USE.replace("// @ts-expect-error: no such event\n", ""))
    assert "use.ts" in said and "nothing" in said


def test_names_that_typescript_does_not_allow_are_written_otherwise(folder: Path) -> None:
    @dataclasses.dataclass
    class Record:
        """A name of */ TypeScript's own."""

        a_b: int
        at: dict[str, list[int] | None]

    class ServerToClientEvents(NamedTuple):
        a: int
        b: str = ""

    class Strange(msgspec.Struct, rename={"a": "with blank"}, forbid_unknown_fields=True):
        a: Annotated[int | str, msgspec.Meta(description="one\ntwo")]

    io = fastsio.IO()
    nsp = io.of("/a-b/{c}")
    io.of("/a/b-c").emits("tick")

    @nsp.event("event: ü", typed=False)
    def handler(
        socket, function: Record, ü: ServerToClientEvents, *new: Strange
    ) -> tuple[int, ...]: ...

    @nsp.event
    def empty(socket) -> tuple[()]: ...

    text = typescript(read(io.hub))
    assert tsc(folder, schema=text, use='import type { ABCSocket } from "./schema.js";\n') == ""
    check_asyncapi(asyncapi(read(io.hub), "x"))


def test_binary_is_only_there_if_it_is_used(folder: Path) -> None:
    io = fastsio.IO()
    io.emits("tick")
    text = typescript(read(io.hub))
    assert "Binary" not in text and "InvalidArgument" not in text
    assert tsc(folder, schema=text) == ""


# --- the command ----------------------------------------------------------------------------------


def run(*arguments: str) -> int:
    return cli.main(["schema", *arguments])


def test_schema_is_written_to_stdout_or_a_file(folder: Path, capsys: Any) -> None:
    assert run("schema_app:io") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["info"]["title"] == "schema_app" and not err
    assert run("schema_app:io", "-o", "a.json", "--title", "T", "--api-version", "3") == 0
    assert json.loads((folder / "a.json").read_text())["info"]["version"] == "3"
    assert run("schema_app:io", "--format", "typescript", "-o", "a.ts") == 0
    assert "export interface ClientToServerEvents" in (folder / "a.ts").read_text()


def test_schema_of_what_carries_a_server_is_the_servers(capsys: Any) -> None:
    assert run("schema_app:asgi", "--title", "x") == 0
    carried = capsys.readouterr().out
    assert run("schema_app:io", "--title", "x") == 0
    assert capsys.readouterr().out == carried


def test_without_msgspec_the_extra_is_named(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    assert run("schema_app:io") == 1
    assert "fastsio[typed]" in capsys.readouterr().err


def test_yaml_is_written_where_its_package_is(
    folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    yaml = pytest.importorskip("yaml")
    assert run("schema_app:io", "-o", "a.yaml") == 0
    check_asyncapi(yaml.safe_load((folder / "a.yaml").read_text()))
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert run("schema_app:io", "-o", "b.yaml") == 1
    assert "YAML needs PyYAML" in capsys.readouterr().err


def test_connect_shows_what_sockets_listen_to(capsys: Any) -> None:
    assert run("schema_app:io", "--format", "typescript", "--connect") == 0
    out = capsys.readouterr().out
    assert "later: (a: number, ack: (answer: string | InvalidArgument) => void)" in out
    assert "high_water" not in out and "disconnect" not in out


def test_connect_says_where_it_was_refused_and_sends_auth(capsys: Any) -> None:
    assert run("schema_app:sio", "--connect") == 0
    assert "--connect: refused in '/': invalid auth" in capsys.readouterr().err
    assert run("schema_app:sio", "--connect", "--auth", '{"x": 1}') == 0
    assert "refused" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("schema_app", "give module:name"),
        ("no_such_module:io", "there is no module 'no_such_module' here"),
        ("schema_app:nothing", "'schema_app:nothing' is None"),
        ("schema_app:empty", "no events are known"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(target: str, message: str, capsys: Any) -> None:
    assert run(target) == 1
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_auth_that_is_not_json_is_said(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        run("schema_app:io", "--connect", "--auth", "{")
    assert "is not JSON" in capsys.readouterr().err


def test_an_engine_without_socket_io_has_no_events(
    folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "schema_engine.py").write_text(
        "import fastsio.engineio\neio = fastsio.engineio.AsyncServer()\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    assert run("schema_engine:eio") == 1
    assert "is no Socket.IO server" in capsys.readouterr().err


def test_a_type_without_a_schema_is_named() -> None:
    class Odd:
        def __get_pydantic_core_schema__(self, *_: Any) -> Any: ...

    class Holder(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        odd: fastsio.IO

    io = fastsio.IO()
    io.emits("odd", Holder)
    with pytest.raises(SchemaError, match=r"event 'odd' of '/', 'arg0': no schema of .*Holder"):
        asyncapi(read(io.hub), "x")
