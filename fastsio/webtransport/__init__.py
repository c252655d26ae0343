"""Front door: WebTransport, Engine.IO over one stream of HTTP/3.

serve.start() opens it beside its TCP port for applications whose `transports` name "webtransport". It needs aioquic,
the extra `webtransport`, and imports that only then: settings.py, framing.py and capsules.py do without.
"""
