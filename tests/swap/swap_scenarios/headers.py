"""CORS, cookies and compression: what stands in the headers of an answer."""

from __future__ import annotations

from typing import Any

import aiohttp

from swap_scenario import App, scenario
from swap_servers import ORIGIN

PATH = "/socket.io/?EIO=4&transport=polling"
ALLOW = "access-control-allow-"


async def handshakes(stage: Any, *origins: str) -> None:
    """Status and CORS headers of a polling handshake for each origin."""
    for origin in origins:
        status, headers, _ = await stage.request("GET", PATH, {"Origin": origin} if origin else {})
        cors = {name: value for name, value in headers.items() if name.startswith(ALLOW)}
        stage.say(origin, cors if status == 200 else "refused")


async def websockets(stage: Any, *origins: str) -> None:
    """Whether a WebSocket is let in for each origin."""
    for origin in origins:
        try:
            client = await stage.raw(f"a{origins.index(origin)}", origin=origin)
        except aiohttp.WSServerHandshakeError:
            stage.say(origin, "refused")  # with uvicorn's status, whatever it was to be
        else:
            stage.say(origin, "let in")
            await client.end()


def cors_scenario(name: str, server: str, *origins: str) -> None:
    """Two scenarios for a value of cors_allowed_origins: allowed and refused origins."""

    async def play(stage: Any) -> None:
        await handshakes(stage, *origins)
        await websockets(stage, *filter(None, origins))

    cls = type(name, (), {"serve": lambda app: None, "play": play})
    scenario(server=server, clients=("raw-http",), is_synchronized=False)(cls)


ELSEWHERE = "http://evil.example"
cors_scenario("OriginOfAListIsAllowed", "origins", ORIGIN, "http://also.example", "")
cors_scenario("OriginNotOnTheListIsRefused", "origins", ELSEWHERE)
cors_scenario("OneOriginIsAllowed", "one_origin", ORIGIN)
cors_scenario("AnotherThanTheOneOriginIsRefused", "one_origin", ELSEWHERE)
cors_scenario("AnyOriginIsAllowed", "any_origin", ORIGIN, ELSEWHERE)
cors_scenario("StarOnAListOfOrigins", "star_origin", ORIGIN, ELSEWHERE)
cors_scenario("OriginsWithoutCors", "no_cors", ORIGIN, ELSEWHERE)
cors_scenario("OriginThatAFunctionAllows", "asked_origin", ORIGIN)
cors_scenario("OriginThatAFunctionRefuses", "asked_origin", ELSEWHERE)
cors_scenario("OriginAndEnvironThatAFunctionAllows", "asked_environ", ORIGIN)
cors_scenario("OriginAndEnvironThatAFunctionRefuses", "asked_environ", ELSEWHERE)
cors_scenario("NoCredentials", "no_credentials", ORIGIN)
cors_scenario("OtherOriginByDefault", "plain", ELSEWHERE)


@scenario(clients=("raw-http",), is_synchronized=False)
class SameOriginByDefault:
    """cors_allowed_origins=None: the host that was asked is allowed."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        status, headers, _ = await stage.request("GET", PATH, {"Origin": stage.url})
        stage.say(
            status, headers.get(ALLOW + "origin") == stage.url, headers.get(ALLOW + "credentials")
        )


@scenario(clients=("raw-http",), is_synchronized=False)
class StatusOfARefusedOrigin:
    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        status, _, _ = await stage.request("GET", PATH, {"Origin": ELSEWHERE})
        stage.say(status)


@scenario(clients=("raw-http",), is_synchronized=False)
class HostThatAProxySays:
    """Behind a proxy the page's host stands in X-Forwarded-Host."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        said = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "app.example"}
        for origin in ("https://app.example", "http://app.example", "https://evil.example"):
            status, _, _ = await stage.request("GET", PATH, {"Origin": origin, **said})
            stage.say(origin, "let in" if status == 200 else "refused")


@scenario(server="one_origin", clients=("raw-http",), is_synchronized=False)
class Preflight:
    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        status, headers, _ = await stage.request(
            "OPTIONS", PATH, {"Origin": ORIGIN, "Access-Control-Request-Method": "POST",
                              "Access-Control-Request-Headers": "X-Custom"},
        )  # fmt: skip
        cors = {name: value for name, value in headers.items() if name.startswith(ALLOW)}
        stage.say(status // 100, cors)


def cookie_scenario(name: str, server: str) -> None:
    async def play(stage: Any) -> None:
        _, headers, body = await stage.request("GET", PATH)
        sid = body.decode().partition('"sid":"')[2].partition('"')[0]
        stage.say(sid, sorted(headers.get("set-cookie", "").split("; ")))

    cls = type(name, (), {"serve": lambda app: None, "play": play})
    scenario(server=server, clients=("raw-http",), is_synchronized=False)(cls)


cookie_scenario("NoCookie", "plain")
cookie_scenario("CookieByName", "cookie")
cookie_scenario("CookieByDict", "cookie_dict")


@scenario()
class BigAnswersOverPollingAreReadable:
    """Whatever the compression is, the client gets what was sent."""

    def serve(app: App) -> None:
        app.on("big")(lambda sid: "x" * 5000)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", transports=["polling"])
        await client.ask("big")
