"""People in a browser and the chat example's servers, for test_chat_browser.py.

`Browser` talks to chat_browser.js, which drives Chromium; every wait in there has a time limit.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHAT = ROOT / "examples" / "chat"
DRIVER = Path(__file__).with_name("chat_browser.js")
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
# A script's own folder is first on its path: fastsio is found here unless it is installed.
PATHS = (os.environ.get("PYTHONPATH"), str(ROOT))
STOP_S = 10

TEXT = 'role=textbox[name="Message"]'
SEND = 'role=button[name="Send"]'
MESSAGES = "#messages .message .text"


class Browser:
    """Headless Chromium, in which `page()` opens windows that share nothing with each other."""

    def __init__(self, executable: str, *without: str) -> None:
        """`without`: flags of the driver's that Chromium is not to have."""
        self._node = subprocess.Popen(
            ["node", str(DRIVER), executable, *without],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._requests = 0
        self._answer(0)

    def call(self, *request: Any) -> Any:
        self._requests += 1
        assert self._node.stdin is not None
        self._node.stdin.write(json.dumps([self._requests, *request]) + "\n")
        self._node.stdin.flush()
        return self._answer(self._requests)

    def close(self) -> None:
        self._node.communicate(timeout=STOP_S)  # the driver ends with its stdin

    def _answer(self, request: int) -> Any:
        assert self._node.stdout is not None
        line = self._node.stdout.readline()
        assert line, "the browser's driver ended; its stderr says why"
        answer = json.loads(line)
        assert answer["id"] == request
        assert "error" not in answer, answer["error"]
        return answer["value"]


class Page:
    """One window; what a person does and sees in it."""

    def __init__(self, browser: Browser, key: str, url: str, **window: Any) -> None:
        self._browser = browser
        self._key = key
        self.do("open", url, window)

    def do(self, command: str, *arguments: Any) -> Any:
        return self._browser.call(self._key, command, *arguments)

    def join(self, name: str, room: str = "Lobby") -> Page:
        self.ask_to_join(name, room)
        self.do("wait", TEXT)
        return self

    def ask_to_join(self, name: str, room: str = "Lobby") -> None:
        self.do("fill", 'role=textbox[name="Your name"]', name)
        self.do("fill", 'role=combobox[name="Room"]', room)
        self.do("click", 'role=button[name="Join"]')

    def say(self, text: str) -> None:
        self.do("fill", TEXT, text)
        self.do("press", TEXT, "Enter")

    def sees(self, text: str, where: str = "body") -> None:
        """Wait until the text is there to be seen."""
        self.do("wait", f"{where} >> text={json.dumps(text, ensure_ascii=False)} >> visible=true")

    def sees_messages(self, *texts: str) -> None:
        """Wait until these are the messages, in this order, and all have arrived."""
        self.sees_list(MESSAGES, list(texts))
        self.do("wait", ".pending", "detached")

    def sees_people(self, *names: str) -> None:
        self.sees_list("#people .name", list(names))

    def sees_list(self, selector: str, texts: list[str]) -> None:
        shown = f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent)"
        try:
            self.do("until", f"JSON.stringify({shown}) === JSON.stringify({json.dumps(texts)})")
        except AssertionError:
            assert self.do("texts", selector) == texts
            raise

    def sees_picture(self, width: int, index: int = 0) -> None:
        self.do(
            "until", f"document.querySelectorAll('.picture img')[{index}]?.naturalWidth === {width}"
        )

    def is_connected_over(self, transport: str) -> None:
        self.sees(f"Connected over {transport}", "#room")

    def run(self, script: str) -> Any:
        return self.do("evaluate", script)


class ChatServer:
    """One of the example's servers, as people start it."""

    def __init__(self, script: str) -> None:
        self.script = script
        self.port = 0
        self.output: list[str] = []
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Serve on the port that it had before, if it had one."""
        self._process = subprocess.Popen(
            [sys.executable, str(CHAT / self.script), "--port", str(self.port)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, PATHS))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output.append(line)
            if address := ADDRESS.search(line):
                self.port = int(address[1])
                break
        else:
            raise AssertionError(f"{self.script} did not start:\n" + "".join(self.output))
        self._reader = threading.Thread(target=self.output.extend, args=(self._process.stdout,))
        self._reader.start()

    def kill(self) -> None:
        self._process.kill()
        self._ended()

    def stop(self) -> int:
        """End it as a terminal's Ctrl-C or a service manager does; returns its exit code."""
        self._process.terminate()
        return self._ended()

    def _ended(self) -> int:
        code = self._process.wait(timeout=STOP_S)
        self._reader.join(timeout=STOP_S)
        return code
