"""tests/node_names.py has every public member of Node's classes: Node itself is asked for them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import node_names

ASK = """
const own = (c) => Object.getOwnPropertyNames(c.prototype).filter((n) => n !== "constructor" && n[0] !== "_");
const { Server, Socket, Namespace } = require("socket.io");
const dist = "./node_modules/socket.io/dist/";
const { BroadcastOperator, RemoteSocket } = require(dist + "broadcast-operator.js");
const { Adapter } = require("socket.io-adapter");
console.log(JSON.stringify({
  EMITTER: own(require("events")).filter((name) => name !== "emit"),
  SERVER: own(Server),
  NAMESPACE: own(Namespace),
  PARENT: own(require(dist + "parent-namespace.js").ParentNamespace),
  SOCKET: own(Socket),
  OPERATOR: own(BroadcastOperator),
  REMOTE_SOCKET: own(RemoteSocket),
  CLIENT: own(require(dist + "client.js").Client),
  CONN: own(require("engine.io").Socket),
  ADAPTER: own(Adapter),
}));
"""


@pytest.fixture(scope="module")
def node_members() -> dict[str, list[str]]:
    tests = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        ["node", "-e", ASK], cwd=tests, capture_output=True, text=True, timeout=30, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "kind",
    [
        "EMITTER", "SERVER", "NAMESPACE", "PARENT", "SOCKET", "OPERATOR", "REMOTE_SOCKET", "CLIENT", "CONN", "ADAPTER",
    ],
)  # fmt: skip
def test_table_has_every_member_of_nodes_class(node_members, kind):
    assert node_members[kind]
    assert not set(node_members[kind]) - set(getattr(node_names, kind))
