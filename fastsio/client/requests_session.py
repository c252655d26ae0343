"""A requests.Session given to the sync Client: what of it is taken over to aiohttp.

Taken over when a connection is made: headers, cookies, basic auth, verify, cert, proxies, trust_env. Can't be had:
adapters mounted on it, hooks, auth objects other than (user, password), `max_redirects`; and cookies that the
server sets do not come back into it.
"""

import base64
import ssl
from collections.abc import Callable
from typing import Any

from fastsio.client.http import import_aiohttp
from fastsio.client.tls import shared_context

# What requests says of itself, not of the application; aiohttp says its own.
NOT_TAKEN = {"accept-encoding", "connection", "accept", "user-agent"}


def take_over(given: Any) -> Callable[[], Any]:
    """A factory of aiohttp sessions for a requests.Session, or for a function that makes one."""

    def make() -> Any:
        return make_session(given() if callable(given) else given)

    return make


def make_session(session: Any) -> Any:
    """An aiohttp.ClientSession like a requests.Session. Raises TypeError, ValueError for what can't be taken over."""
    if not hasattr(session, "verify") or not hasattr(session, "proxies"):
        raise TypeError(f"http_session={session!r}: the sync Client takes a requests.Session")
    aiohttp = import_aiohttp()
    options: dict[str, Any] = {}
    proxy = _proxy_of(session.proxies)
    if proxy is not None:
        options["proxy"] = proxy
    made = aiohttp.ClientSession(
        headers=_headers_of(session),
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        connector=aiohttp.TCPConnector(ssl=_context_of(session.verify, session.cert)),
        trust_env=session.trust_env,
        **options,
    )
    made.cookie_jar.update_cookies({cookie.name: cookie.value for cookie in session.cookies})
    return made


def _headers_of(session: Any) -> dict[str, str]:
    default = session.headers.get("User-Agent", "").startswith("python-requests")
    left_out = NOT_TAKEN if default else NOT_TAKEN - {"user-agent"}
    headers = {k: v for k, v in session.headers.items() if k.lower() not in left_out}
    if session.auth is not None:
        if not isinstance(session.auth, tuple):
            raise ValueError("Only basic authentication is supported")
        user = ":".join(session.auth).encode()
        headers.setdefault("Authorization", "Basic " + base64.b64encode(user).decode())
    return headers


def _context_of(verify: Any, cert: Any) -> ssl.SSLContext:
    """requests' verify (True, False or a file of authorities) and cert (a file, or certificate and key)."""
    if verify in (True, False) and cert is None:
        return shared_context(bool(verify))
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert is not None:
        context.load_cert_chain(*([cert] if isinstance(cert, str) else cert))
    return context


def _proxy_of(proxies: dict[str, str]) -> str | None:
    """The one proxy for all requests. aiohttp has no choice by scheme: two different ones are refused."""
    found = {url if "://" in url else f"http://{url}" for url in proxies.values() if url}
    if len(found) > 1:
        raise ValueError(f"http_session.proxies={proxies!r}: give one proxy for all schemes")
    return found.pop() if found else None
