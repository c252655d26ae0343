"""Where the chat page is served: the address, and the files that a browser may have."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CLIENT = HERE / "node_modules" / "socket.io-client" / "dist"


def serve_options(argv: list[str] | None = None) -> dict[str, Any]:
    """Arguments for `fastsio.run()`, from the command line or from CHAT_HOST and CHAT_PORT."""
    parser = argparse.ArgumentParser(description="A chat in the browser, served by fastsio.")
    parser.add_argument("--host", default=os.environ.get("CHAT_HOST", "127.0.0.1"))
    port = os.environ.get("CHAT_PORT", "5000")
    parser.add_argument("--port", default=port, type=int, help="0 takes any that is free")
    options = parser.parse_args(argv)
    if not CLIENT.is_dir():
        sys.exit(f"The page needs the official client: run `npm ci` in {HERE}")
    # One by one: nothing else of this folder is anybody's business.
    files = {f"/{name}": str(HERE / name) for name in ("chat.css", "chat.js", "log.js", "tools.js")}
    files |= {"/": str(HERE / "index.html"), "/client": str(CLIENT)}
    return {"host": options.host, "port": options.port, "static_files": files}
