"""examples/tutorial/server.py with one page more, for test_tutorial.py: /tutorial is tutorial_page.html.

    python tests/interop/tutorial_app.py --port 0

`?script=` is where the page loads the client from instead of the CDN.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "examples" / "tutorial"))

import server  # noqa: E402

PAGE = (HERE / "tutorial_page.html").read_text(encoding="utf-8")
CDN = "//cdn.bootcss.com/socket.io/2.0.2/socket.io.js"


def tutorial(request: Any) -> str:
    return PAGE.replace(CDN, request.query.get("script", CDN))


if __name__ == "__main__":
    server.PAGES["/tutorial"] = tutorial
    server.main()
