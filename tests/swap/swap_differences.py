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
    "UnknownNamespaceWithPython.py": [
        '- a: ["connect_error", ["Unable to connect"]]',
        '+ a: ["connect_error", [{"message": "Invalid namespace"}]]',
    ],
    "DisconnectInTheConnectHandler.js": [
        '+ a: ["connect_error", "Connection rejected by server", null]',
        '- a: ["connect", "<1>"]',
        '- a: ["ack", "echo", [1]]',
    ],
    "DisconnectInTheConnectHandler.py": [
        '- a: ["connect", "<1>"]',
        '- a: ["ack", "echo", [1]]',
        '+ a: ["connect_error", [{"message": "Connection rejected by server"}]]',
        '+ a: ["connect failed", "One or more namespaces failed to connect: /DisconnectInTheConnectHandler.py"]',
    ],
    "AlwaysConnectRefuses.js": [
        '- a: ["disconnect", "parse error"]',
        '+ a: ["disconnect", "io server disconnect"]',
    ],
    "AlwaysConnectRefusesOnTheWire.raw": [
        '- a: ["packet", "41/AlwaysConnectRefusesOnTheWire.raw,{\\"message\\":\\"not you\\",\\"data\\":1}"]',
        '+ a: ["packet", "41/AlwaysConnectRefusesOnTheWire.raw,"]',
    ],
    "LegacyConnectHandlerAndAuth.raw": [
        '+ a: ["packet", "40/LegacyConnectHandlerAndAuth.raw,{\\"sid\\":\\"<1>\\"}"]',
        '- a: ["packet", "40/LegacyConnectHandlerAndAuth.raw/other,{\\"sid\\":\\"<1>\\"}"]',
        '+ a: ["packet", "40/LegacyConnectHandlerAndAuth.raw/other,{\\"sid\\":\\"<2>\\"}"]',
        '+ server: ["connect"]',
    ],
    "ConnectTwiceToANamespace.raw": [
        '- a: ["packet", "44/ConnectTwiceToANamespace.raw,\\"Unable to connect\\""]',
        '+ a: ["closed"]',
    ],
    "KeysOfTheEnviron": [
        '- server: ["keys", ["PATH_INFO", "QUERY_STRING", "RAW_URI", "REMOTE_ADDR", "REMOTE_PORT", "REQUEST_METHOD", "SCRIPT_NAME", "asgi.receive", "asgi.scope", "asgi.send"]]',
        '+ server: ["keys", ["PATH_INFO", "QUERY_STRING", "RAW_URI", "REMOTE_ADDR", "REMOTE_PORT", "REQUEST_METHOD", "SCRIPT_NAME"]]',
    ],
    "WrongNumberOfArguments": [
        '+ a: ["ack", "none", ["none"]]',
        '+ server: ["none"]',
    ],
    "OriginOfAListIsAllowed.raw-http": [
        '- scenario: ["", {"access-control-allow-credentials": "true"}]',
        '+ scenario: ["", {}]',
    ],
    "CookieByName.raw-http": [
        '- scenario: ["<1>", ["SameSite=Lax", "io=<1>", "path=/"]]',
        '+ scenario: ["<1>", ["HttpOnly", "SameSite=Lax", "io=<1>", "path=/"]]',
    ],
    "SameOriginByDefault.raw-http": [
        '- scenario: [200, true, "true"]',
        "+ scenario: [200, false, null]",
    ],
    "Preflight.raw-http": [
        '- scenario: [2, {"access-control-allow-credentials": "true", "access-control-allow-headers": "X-Custom", "access-control-allow-methods": "OPTIONS, GET, POST", "access-control-allow-origin": "http://good.example"}]',
        '+ scenario: [2, {"access-control-allow-credentials": "true", "access-control-allow-headers": "X-Custom", "access-control-allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE", "access-control-allow-origin": "http://good.example"}]',
    ],
    "StaticScript.raw-http": [
        '- scenario: ["GET", "/static/code.js", 200, "application/javascript", "let x = 1;\\n"]',
        '+ scenario: ["GET", "/static/code.js", 200, "text/javascript", "let x = 1;\\n"]',
    ],
    "DisconnectHandlerThatRaises": [
        '- a: ["ack", "count", [2]]',
        '+ a: ["ack", "count", [1]]',
    ],
    "EventsOfAClientThatIsNotConnected.raw": [
        '- a: ["packet", "40/EventsOfAClientThatIsNotConnected.raw,{\\"sid\\":\\"<2>\\"}"]',
        '+ a: ["closed"]',
        '- server: ["tick", 3]',
    ],
    "BytesInATupleWithin": [
        '+ a: ["event", "deep", [{"a": [{"$bytes": "31"}]}]]',
        '- server: ["TypeError"]',
        '+ server: ["NoneType"]',
    ],
    "DatesAndTheLike": [
        '+ a: ["event", "d", ["2020-01-01"]]',
        '- server: ["TypeError"]',
        '+ server: ["NoneType"]',
    ],
    "NotANumber.js": [
        '- a: ["disconnect", "parse error"]',
        '+ a: ["event", "odd", [[null, null]]]',
    ],
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
    "MessageThatIsTooLarge.raw": [
        '- server: ["disconnect", "transport close"]',
        '+ server: ["disconnect", "transport error"]',
    ],
    "TheHandshake.raw-http": [
        "- scenario: [null, null]",
        '+ scenario: [null, "no-store"]',
    ],
    "BadRequestsInWords.raw-http": [
        '- scenario: ["transport", "text/plain", "\\"Invalid transport\\""]',
        '- scenario: ["session", "text/plain", "\\"Invalid session nobody\\""]',
        '- scenario: ["post without a session", "text/plain", "\\"Invalid session None\\""]',
        '- scenario: ["post to an unknown session", "text/plain", "\\"Invalid session nobody\\""]',
        '- scenario: ["not a websocket", "text/plain", "\\"Invalid websocket upgrade\\""]',
        '+ scenario: ["transport", "application/json", "{\\"code\\":0,\\"message\\":\\"Transport unknown\\"}"]',
        '+ scenario: ["session", "application/json", "{\\"code\\":1,\\"message\\":\\"Session ID unknown\\"}"]',
        '+ scenario: ["post without a session", "application/json", "{\\"code\\":2,\\"message\\":\\"Bad handshake method\\"}"]',
        '+ scenario: ["post to an unknown session", "application/json", "{\\"code\\":1,\\"message\\":\\"Session ID unknown\\"}"]',
        '+ scenario: ["not a websocket", "application/json", "{\\"code\\":3,\\"message\\":\\"Bad request\\"}"]',
    ],
    "ClientOfSocketIO2.raw-http": ["- scenario: [400]", "+ scenario: [200]"],
    "MethodsThatAreNone.raw-http": [
        '- scenario: ["PUT", 405, "Method Not Found"]',
        '- scenario: ["DELETE", 405, "Method Not Found"]',
        '+ scenario: ["PUT", 400, "{\\"code\\":2,\\"message\\":\\"Bad handshake method\\"}"]',
        '+ scenario: ["DELETE", 400, "{\\"code\\":2,\\"message\\":\\"Bad handshake method\\"}"]',
    ],
    "PacketsThatAreNone.raw": [
        '- server: ["tick", 2]',
        '+ server: ["disconnect", "server disconnect"]',
    ],
    "ReservedNamesFromAClient.raw": [
        '- server: ["disconnect", {"$tuple": ["forged"]}]',
        '+ server: ["disconnect", {"$tuple": ["server disconnect"]}]',
    ],
    "ConnectHandlerThatRaises.raw": [
        '+ a: ["packet", "44/ConnectHandlerThatRaises.raw,{\\"message\\":\\"Connection rejected by server\\"}"]',
    ],
    "StatusOfARefusedOrigin.raw-http": [
        "- scenario: [400]",
        "+ scenario: [403]",
    ],
}
