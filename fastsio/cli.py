"""The command line: `fastsio serve module:name`, `fastsio schema module:name`, `fastsio check-swap PATH`."""

import argparse
import contextlib
import json
import sys
from typing import Any

from fastsio import check_swap
from fastsio.doors.beside import MissingExtra
from fastsio.doors.carriers import find_carried
from fastsio.doors.lifespan import StartupFailed
from fastsio.doors.loading import is_servable, load
from fastsio.serve import run

__all__ = ["is_servable", "load", "main"]


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "check-swap":
        return _check_swap(arguments)
    if arguments.command == "schema":
        return _schema(arguments)
    try:
        # Workers load it themselves.
        app = load(arguments.app) if arguments.workers is None else arguments.app
        run(
            app, arguments.host, arguments.port, loop=arguments.loop, socketio_path=arguments.path,
            static_files=dict(arguments.static) or None, ssl_certfile=arguments.tls_cert, ssl_keyfile=arguments.tls_key,
            head_timeout=arguments.head_timeout, shutdown_timeout=arguments.shutdown_timeout,
            **_listening_options(arguments),
        )  # fmt: skip
    except (OSError, ValueError, MissingExtra, StartupFailed) as error:
        print(f"fastsio: {error}", file=sys.stderr)
        return 1
    return 0


def _listening_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Where it listens, if not on host and port, and how it stops, as far as that was said."""
    names = (
        "workers",
        "fd",
        "uds",
        "uds_mode",
        "drain_seconds",
        "drain_delay",
        "health",
        "health_bus",
        "handover",
    )
    given = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _check_swap(arguments: argparse.Namespace) -> int:
    try:
        return check_swap.run(arguments.path, is_json=arguments.json)
    except FileNotFoundError as error:
        print(f"fastsio: {error}", file=sys.stderr)
        return 2


def _schema(arguments: argparse.Namespace) -> int:
    from fastsio.schema import (  # with what describes types: it is not needed to serve
        SchemaError,
        command,
    )

    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the module prints is no part of it
            app = load(arguments.app)
        carried = find_carried(app)
        hub = getattr(app if carried is None else carried.socketio_server, "hub", None)
        command.run(
            app, hub, arguments.format, arguments.output, arguments.title or arguments.app.partition(":")[0],
            arguments.api_version, arguments.connect, arguments.auth,
        )  # fmt: skip
    except (OSError, ValueError, ImportError, SchemaError) as error:
        print(f"fastsio: {error}", file=sys.stderr)
        return 1
    return 0


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON: {error}") from None


def _static(text: str) -> tuple[str, str]:
    url, separator, path = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r}: give URL=PATH, such as /=index.html")
    return url, path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastsio", description="The Socket.IO server.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    serve = commands.add_parser("serve", help="serve an application until SIGINT or SIGTERM")
    serve.add_argument("app", help="module:name of the application: AsyncServer, IO, ASGIApp, …")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument(
        "--port", type=int, default=5000, help="port, 0 for a free one (%(default)s)"
    )
    serve.add_argument(
        "--path",
        help="path of Socket.IO (socket.io; of Engine.IO engine.io); an ASGIApp has its own",
    )
    serve.add_argument(
        "--static",
        action="append",
        type=_static,
        default=[],
        metavar="URL=PATH",
        help="serve a file or folder",
    )
    serve.add_argument("--tls-cert", metavar="FILE", help="certificate chain, PEM")
    serve.add_argument("--tls-key", metavar="FILE", help="private key, PEM")
    serve.add_argument(
        "--loop", choices=("auto", "uvloop", "asyncio"), default="auto", help="event loop"
    )
    serve.add_argument(
        "--head-timeout", type=float, default=10.0, metavar="S", help="seconds a request may take"
    )
    serve.add_argument(
        "--shutdown-timeout",
        type=float,
        default=5.0,
        metavar="S",
        help="seconds for handlers at the end",
    )
    serve.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="so many processes on the one port, which need no sticky sessions; SIGHUP replaces them one by one (1)",
    )
    _add_listening(serve)
    swap = commands.add_parser(
        "check-swap", help="list what a project uses of python-socketio, and how it is here"
    )
    swap.add_argument("path", help="a file or folder; its source is read and not run")
    swap.add_argument("--json", action="store_true", help="for programs")
    _add_schema(commands)
    return parser


def _add_listening(serve: argparse.ArgumentParser) -> None:
    """See docs/deploy.md; the defaults are start()'s."""
    serve.add_argument(
        "--fd", type=int, metavar="N", help="listen on an open descriptor instead of host and port"
    )
    serve.add_argument("--uds", metavar="PATH", help="listen on a Unix socket instead")
    serve.add_argument(
        "--uds-mode", type=_octal, metavar="MODE", help="its permissions, octal (660)"
    )
    serve.add_argument(
        "--drain-seconds", type=float, metavar="S", help="close clients over so long at the end (0)"
    )
    serve.add_argument(
        "--drain-delay", type=float, metavar="S", help="go on accepting so long before that (0)"
    )
    serve.add_argument("--health", metavar="PATH", help='a page that says "live" or "draining"')
    serve.add_argument(
        "--health-bus",
        type=float,
        metavar="S",
        help='and "bus down", once the adapter is for so long',
    )
    serve.add_argument(
        "--handover",
        metavar="PATH",
        help="take the sockets over from the process that serves there, and be asked there by the next one",
    )


def _octal(text: str) -> int:
    try:
        return int(text, 8)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: permissions in octal, such as 660") from None


def _add_schema(commands: Any) -> None:
    schema = commands.add_parser(
        "schema", help="write an application's events as AsyncAPI, or as TypeScript for the client"
    )
    schema.add_argument("app", help="module:name of the application: IO, AsyncServer, ASGIApp, …")
    schema.add_argument(
        "--format", choices=("asyncapi", "typescript"), default="asyncapi", help="%(default)s"
    )
    schema.add_argument("-o", "--output", metavar="FILE", help="stdout if left out; .yaml is YAML")
    schema.add_argument("--title", help="AsyncAPI's title, the module's name if left out")
    schema.add_argument(
        "--api-version", default="1.0.0", metavar="V", help="AsyncAPI's version (%(default)s)"
    )
    schema.add_argument(
        "--connect",
        action="store_true",
        help="let a client in, without a port, to see what sockets listen to; runs connection handlers",
    )
    schema.add_argument("--auth", type=_json, metavar="JSON", help="what that client sends along")


if __name__ == "__main__":
    sys.exit(main())
