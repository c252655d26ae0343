"""Where the transcripts differ, line by line: "- " is python-socketio's line, "+ " ours.

The key is a scenario, or scenario.client when it differs otherwise with each client. docs/differences.md says
why ours is right; a scenario that is here must be named there.
"""

# ruff: noqa: E501 - a line of a transcript is a line here

from __future__ import annotations

DIFFERENCES: dict[str, list[str]] = {
    "UnknownNamespace.js": [
        '- a: ["connect_error", "", null]',
        '+ a: ["connect_error", "Invalid namespace", null]',
    ],
    "KeysOfTheEnviron": [
        '- server: ["keys", ["PATH_INFO", "QUERY_STRING", "RAW_URI", "REMOTE_ADDR", "REMOTE_PORT", "REQUEST_METHOD", "SCRIPT_NAME", "asgi.receive", "asgi.scope", "asgi.send"]]',
        '+ server: ["keys", ["PATH_INFO", "QUERY_STRING", "RAW_URI", "REMOTE_ADDR", "REMOTE_PORT", "REQUEST_METHOD", "SCRIPT_NAME"]]',
    ],
    "EngineMessages.raw": [],
    "EngineRefusals.raw-http": [],
    "StaticFilesBesideAnotherApp.raw-http": [],
    "StaticScript.raw-http": [
        '- scenario: ["GET", "/static/code.js", 200, "application/javascript", "let x = 1;\\n"]',
        '+ scenario: ["GET", "/static/code.js", 200, "text/javascript", "let x = 1;\\n"]',
    ],
    "StaticFolderAtTheRoot.raw-http": [],
    "MoreThan16PacketsInOnePost.raw-http": [
        '+ server: ["tick", 0]',
        '+ server: ["tick", 1]',
        '+ server: ["tick", 2]',
        '+ server: ["tick", 3]',
        '+ server: ["tick", 4]',
        '+ server: ["tick", 5]',
        '+ server: ["tick", 6]',
        '+ server: ["tick", 7]',
        '+ server: ["tick", 8]',
        '+ server: ["tick", 9]',
        '+ server: ["tick", 10]',
        '+ server: ["tick", 11]',
        '+ server: ["tick", 12]',
        '+ server: ["tick", 13]',
        '+ server: ["tick", 14]',
        '+ server: ["tick", 15]',
        '+ server: ["tick", 16]',
        '+ server: ["tick", 17]',
        '+ server: ["tick", 18]',
        '+ server: ["tick", 19]',
    ],
}
