"""The targets' names, and which modules in Python count as coverage for them.

Modules are watched from their import on (watch.py): this imports nothing.
"""

NAMES = (
    "frames", "builder", "deflate", "client", "packets", "msgpack", "payload4", "payload3", "dialects", "http",
    "shared", "stream", "cluster", "sessions",
)  # fmt: skip
WATCHED = {
    "http": ("engine.origin", "engine.deflate"),
    "payload4": ("engine.payloads",),
    "cluster": ("adapters", "core.gather", "core.adapter", "core.namespace"),
    "stream": ("webtransport.framing",),
    "sessions": ("engine", "core", "server", "api", "static"),
}
