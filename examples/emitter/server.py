"""A server whose clients other programs reach through Redis."""

import fastsio
from fastsio.adapters import RedisAdapter

io = fastsio.IO(adapter=RedisAdapter("redis://localhost:6379"))


@io.on("connection")
def connection(socket):
    @socket.on("watch")
    def watch(order):
        socket.join(f"order {order}")


@io.on("shop closes")
def shop_closes(minutes):
    print(f"the shop closes in {minutes} minutes", flush=True)


if __name__ == "__main__":
    fastsio.run(io, port=5000)
