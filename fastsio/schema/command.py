"""`fastsio schema`: an application's schema as text, in a file or on stdout."""

import asyncio
import contextlib
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from fastsio.core.hub import Hub
from fastsio.schema.asyncapi import asyncapi
from fastsio.schema.read import Application, SchemaError, read
from fastsio.schema.typescript import typescript

YAML_SUFFIXES = (".yaml", ".yml")
# For the handlers of a connect, with --connect.
CONNECT_S = 10.0


def run(
    app: Any, hub: Any, form: str, output: str | None, title: str, version: str, connects: bool, auth: Any
) -> None:  # fmt: skip
    """Write the schema of an application with that hub. Raises SchemaError, OSError where the file can't be written."""
    if not isinstance(hub, Hub):
        raise SchemaError(
            f"{app!r} is no Socket.IO server: give an IO, an AsyncServer, or what carries one"
        )
    with contextlib.redirect_stdout(sys.stderr):  # what the application prints is no part of it
        application = asyncio.run(_read_with_clients(app, hub, auth)) if connects else read(hub)
    for note in application.notes:
        print(f"fastsio: {note}", file=sys.stderr)
    text = _text(application, form, output, title, version)
    if output is None:
        sys.stdout.write(text)
    else:
        Path(output).write_text(text, encoding="utf-8")


def _text(application: Application, form: str, output: str | None, title: str, version: str) -> str:
    if form == "typescript":
        return typescript(application)
    document = asyncapi(application, title, version)
    if output is None or Path(output).suffix not in YAML_SUFFIXES:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise SchemaError(
            f"{output!r}: YAML needs PyYAML (pip install pyyaml); JSON does not"
        ) from None
    written: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return written


async def _read_with_clients(app: Any, hub: Hub, auth: Any) -> Application:
    """read() while a client is in each namespace: connection handlers run, and what they register is seen."""
    from fastsio.testing import ConnectionRefused, TestServer

    notes = []
    server = TestServer(app, timeout=CONNECT_S)
    try:
        await server.__aenter__()
    except TypeError as error:
        raise SchemaError(f"--connect: {error}") from error
    # What a handler leaves behind is an AssertionError of the test client, and no matter here.
    try:
        for name in list(hub.namespaces):
            try:
                await server.connect(name, auth=auth)
                await server.settle()
            except ConnectionRefused as refused:
                notes.append(f"--connect: refused in {name!r}: {refused.message}")
            except AssertionError as late:
                notes.append(f"--connect: {name!r}: {late}")
        application = read(hub)
    finally:
        with contextlib.suppress(AssertionError):
            await server.close()
    return application._replace(notes=(*notes, *application.notes))
