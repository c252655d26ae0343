"""websocket_extra_options of the sync Client, given as for websocket-client's create_connection()."""

import ssl
from typing import Any

# Options that change nothing here, or are so anyway.
IGNORED = {"enable_multithread", "skip_utf8_validation", "timeout", "fire_cont_frame"}


def translate_options(given: dict[str, Any]) -> dict[str, Any]:
    """The same as aiohttp's ws_connect() has it. Raises ValueError for an option that can't be had."""
    options = dict(given)
    made: dict[str, Any] = {}
    headers = _headers_of(options.pop("header", None) or {})
    if options.get("cookie"):
        headers["Cookie"] = options["cookie"]
    if options.get("host"):
        headers["Host"] = options["host"]
    if headers:
        made["headers"] = headers
    if options.get("origin"):
        made["origin"] = options["origin"]
    if options.get("subprotocols"):
        made["protocols"] = options["subprotocols"]
    if options.get("sslopt"):
        made["ssl"] = context_of(options["sslopt"])
    if options.get("http_proxy_host"):
        made["proxy"] = _proxy_of(options)
    taken = {"cookie", "host", "origin", "subprotocols", "sslopt"}
    taken |= {"http_proxy_host", "http_proxy_port", "http_proxy_auth", "proxy_type"}
    unknown = sorted(options.keys() - taken - IGNORED)
    if unknown:
        raise ValueError(f"websocket_extra_options={unknown}: these can't be had here")
    return made


def _headers_of(header: Any) -> dict[str, str]:
    if isinstance(header, dict):
        return dict(header)
    pairs = (line.partition(":") for line in header)
    return {name.strip(): value.strip() for name, _, value in pairs}


def context_of(sslopt: dict[str, Any]) -> ssl.SSLContext:
    """websocket-client's `sslopt`: context, cert_reqs, check_hostname, ca_certs, ca_cert_path, certfile, keyfile."""
    if "context" in sslopt:
        given: ssl.SSLContext = sslopt["context"]
        return given
    context = ssl.create_default_context(
        cafile=sslopt.get("ca_certs"), capath=sslopt.get("ca_cert_path")
    )
    needs = sslopt.get("cert_reqs", ssl.CERT_REQUIRED)
    if needs == ssl.CERT_NONE or sslopt.get("check_hostname") is False:
        context.check_hostname = False
    context.verify_mode = needs
    if sslopt.get("certfile"):
        context.load_cert_chain(sslopt["certfile"], sslopt.get("keyfile"), sslopt.get("password"))
    return context


def _proxy_of(options: dict[str, Any]) -> str:
    if options.get("proxy_type", "http") != "http":
        raise ValueError(f"proxy_type={options['proxy_type']!r}: only http proxies can be had here")
    user = options.get("http_proxy_auth")
    # As a URL, which aiohttp takes its Proxy-Authorization from.
    name = f"{user[0]}:{user[1]}@" if user else ""
    return f"http://{name}{options['http_proxy_host']}:{options.get('http_proxy_port') or 80}"
