"""The targets' names, and which modules in Python count as coverage for them.

Modules are watched from their import on (watch.py): this imports nothing.
"""

NAMES = (
    "frames", "builder", "deflate", "client", "packets", "msgpack", "payload4", "payload3", "dialects", "http",
    "shared", "stream", "cluster", "sessions",
)  # fmt: skip
# Bytes of an input in most of a fast run; targets.py has the full length.
SHORT = {
    "frames": 96, "builder": 64, "deflate": 160, "client": 128, "packets": 128, "msgpack": 128, "payload4": 96,
    "payload3": 96, "dialects": 96, "http": 400, "shared": 250, "stream": 96, "cluster": 300, "sessions": 400,
}  # fmt: skip
WATCHED = {
    "http": ("engine.origin", "engine.deflate"),
    "payload4": ("engine.payloads",),
    "cluster": ("adapters", "core.gather", "core.adapter", "core.namespace"),
    "stream": ("webtransport.framing",),
    "sessions": ("engine", "core", "server", "api", "static"),
}
