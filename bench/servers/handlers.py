"""The application under test: the same handlers for every server with python-socketio's API.

Knows nothing of which library `sio` comes from, so that no server gets an application of its own.
handlers.mjs is the same for Node and Bun.
"""

import argparse

# Given to every server here; handlers.mjs has them under Node's names.
SETTINGS = {
    "http_compression": False,
    "max_http_buffer_size": 2_000_000,
}
NAMESPACES = ("/", "/a", "/b", "/c", "/d")


def listening() -> dict:
    """`PORT [--tls CERT KEY]` of the command line, as both fastsio.run() and uvicorn.run() take it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), default=(None, None))
    given = parser.parse_args()
    certificate, key = given.tls
    where = {"host": "127.0.0.1", "port": given.port}
    return {**where, "ssl_certfile": certificate, "ssl_keyfile": key}


def install(sio) -> None:
    for namespace in NAMESPACES:
        _echoes(sio, namespace)
    _to_the_sender(sio)
    _to_many(sio)


def _echoes(sio, namespace: str) -> None:
    @sio.on("echo", namespace=namespace)
    def echo(sid, data):
        return data

    @sio.on("echo_async", namespace=namespace)
    async def echo_async(sid, data):
        return data


def _to_the_sender(sio) -> None:
    @sio.event
    def say(sid, data):
        # A plain function can't await emit(): this is how python-socketio has it sent.
        sio.start_background_task(sio.emit, "said", data, to=sid)

    @sio.event
    async def say_async(sid, data):
        await sio.emit("said", data, to=sid)

    @sio.event
    async def burst(sid, count, data):
        for _ in range(count):
            await sio.emit("news", data, to=sid)


def _to_many(sio) -> None:
    @sio.event
    async def broadcast(sid, data):
        await sio.emit("news", data)

    @sio.event
    async def join(sid, room):
        await sio.enter_room(sid, room)

    @sio.event
    async def to_room(sid, room, data):
        await sio.emit("news", data, room=room)

    @sio.event
    async def chat(sid, room, data):
        await sio.emit("news", data, room=room)
