"""The same `cors` option on Node's server and on ours: the same headers on every kind of answer.

Where we differ on purpose: an Origin that is not allowed is told nothing at all (Node names the one that is, or says
that credentials are allowed), and "*" with credentials, which browsers refuse, becomes the Origin's own name.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastsio
from harness import Response, http

SCRIPT = Path(__file__).with_name("cors_server.js")
HERE = "https://a.example"
POLLING = "/socket.io/?EIO=4&transport=polling"
OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one origin": {"origin": HERE},
    "several origins": {"origin": [HERE, "https://b.example"]},
    "a pattern": {"origin": "re:^https"},
    "a pattern among others": {"origin": ["https://b.example", "re:a.example$"]},
    "any origin, with credentials": {"origin": True, "credentials": True},
    "everything": {
        "origin": [HERE], "credentials": True, "methods": ["GET", "POST"], "allowedHeaders": ["X-A", "X-B"],
        "exposedHeaders": ["X-C", "X-D"], "maxAge": 600, "optionsSuccessStatus": 200,
    },
    "texts": {"allowedHeaders": "X-A", "exposedHeaders": "X-C", "methods": "GET", "maxAge": 0},
    "off": {"origin": False},
}  # fmt: skip
REQUESTS: list[tuple[str, str, dict[str, str]]] = [
    ("GET", POLLING, {}),
    ("GET", "/socket.io/?EIO=4", {}),
    ("GET", "/socket.io/socket.io.js", {}),
    ("OPTIONS", POLLING, {"Access-Control-Request-Method": "POST"}),
    ("OPTIONS", POLLING, {"Access-Control-Request-Headers": "X-Q, X-R"}),
]


@pytest.fixture(params=OPTIONS)
def cors(request: pytest.FixtureRequest) -> dict[str, Any]:
    return OPTIONS[request.param]


@pytest.fixture
def official(cors: dict[str, Any]) -> Iterator[str]:
    """The address of Node's server."""
    process = subprocess.Popen(
        ["node", SCRIPT, json.dumps(cors)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.wait()


def named(origin: Any) -> Any:
    if isinstance(origin, list):
        return [named(one) for one in origin]
    is_pattern = isinstance(origin, str) and origin.startswith("re:")
    return re.compile(origin[3:]) if is_pattern else origin


def told(answer: Response) -> tuple[int, dict[str, Any]]:
    """The status, and what it says of origins; caches may ask for more than one header."""
    headers: dict[str, Any] = {
        name: value for name, value in answer.headers.items() if name.startswith("access-control-")
    }
    varied = {name.strip().lower() for name in answer.headers.get("vary", "").split(",")}
    return answer.status, headers | {"vary": varied - {"", "accept-encoding"}}


@pytest.mark.feature("1.3 CORS")
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_answers_have_nodes_headers(official: str, cors: dict[str, Any], serve: Any) -> None:
    options = cors | ({"origin": named(cors["origin"])} if "origin" in cors else {})
    ours = await serve(fastsio.IO(cors=options))
    for method, target, more in REQUESTS:
        headers = {"Origin": HERE} | more
        theirs = told(await http(official, method, target, None, headers))
        assert told(await http(ours.url, method, target, None, headers)) == theirs, (method, target)
    for session in list(ours.engine.sessions.values()):
        session.abort("forced close")
    await asyncio.sleep(0)
