"""The application under test: the same handlers for every server with python-socketio's API.

Knows nothing of which library `sio` comes from, so that no server gets an application of its own.
"""


def install(sio) -> None:
    @sio.event
    def echo(sid, data):
        return data

    @sio.event
    async def echo_async(sid, data):
        return data

    @sio.event
    async def broadcast(sid, data):
        await sio.emit("news", data)
