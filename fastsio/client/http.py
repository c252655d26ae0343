"""The HTTP side of a client, through aiohttp: its session, requests, and what they may fail with.

aiohttp is imported when the first request is made: a client that uses only WebSocket does without it.
"""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastsio.client.errors import OpenError
from fastsio.client.tls import shared_context


def import_aiohttp() -> Any:
    """Raises ImportError that says what to install."""
    try:
        import aiohttp
    except ImportError as error:
        raise ImportError(
            'HTTP long-polling, proxies and http_session need aiohttp: pip install "fastsio[client]" '
            '(transports=["websocket"] does without)'
        ) from error
    return aiohttp


class HttpAnswer(NamedTuple):
    status: int
    body: bytes


class Http:
    """One client's aiohttp session: made when needed, or the application's.

    `given` is what it passed as http_session: a session, or a function that makes one.
    """

    def __init__(self, given: Any, ssl_verify: bool) -> None:
        self.ssl_verify = ssl_verify
        self.session: Any = None
        self.factory: Any = None
        self.is_external = False
        if given is not None:
            self.use(given)

    def use(self, given: Any) -> None:
        """Take the application's session, or its function that makes one."""
        if callable(given):
            self.factory = given
        else:
            self.session = given
            self.is_external = given is not None

    @property
    def is_custom(self) -> bool:
        """Whether the application has a say in how requests are made."""
        return self.is_external or self.factory is not None

    async def open(self) -> Any:
        """The session; a new one if there is none or it was closed."""
        if self.session is None or self.session.closed:
            aiohttp = import_aiohttp()
            if self.factory is not None:
                made = self.factory()
                self.session = await made if inspect.isawaitable(made) else made
            else:
                # Balancers keep a client at one server by a cookie, at plain addresses too.
                self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        return self.session

    def _tls_options(self) -> dict[str, Any]:
        return {} if self.ssl_verify else {"ssl": shared_context(False)}

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        timeout_s: float | None,
        body: bytes | None = None,
    ) -> HttpAnswer:
        """One request, its answer read to the end. Raises OpenError with the reason that aiohttp gives."""
        session = await self.open()
        aiohttp = import_aiohttp()
        try:
            async with session.request(
                method,
                url,
                headers=headers,
                data=body,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                **self._tls_options(),
            ) as response:
                return HttpAnswer(response.status, await response.read())
        except TimeoutError as error:
            raise OpenError(f"no answer within {timeout_s} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise OpenError(str(error) or "Connection refused by the server") from error

    async def websocket(self, url: str, headers: Mapping[str, str], **options: Any) -> Any:
        """aiohttp's ClientWebSocketResponse. Raises OpenError."""
        session = await self.open()
        aiohttp = import_aiohttp()
        # aiohttp's own limit of 4 MiB is below what a server may send.
        merged = {"headers": headers, "max_msg_size": 0, **self._tls_options(), **options}
        try:
            return await session.ws_connect(url, **merged)
        except (aiohttp.ClientError, OSError) as error:
            raise OpenError(str(error)) from error

    def cookie_header(self, url: str) -> str:
        """The cookies that belong to `url`, as a Cookie header has them; "" if there are none."""
        if self.session is None:
            return ""
        from yarl import URL  # what aiohttp's jar asks for

        cookies = self.session.cookie_jar.filter_cookies(URL(url))
        return "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())

    async def close(self) -> None:
        """Close the session, unless it is the application's."""
        if self.session is not None and not self.is_external:
            session, self.session = self.session, None
            if not session.closed:
                await session.close()
