"""A first Socket.IO server: a page, messages both ways, namespaces, rooms, and who may come in.

    python examples/tutorial/server.py --port 5000

Then open http://127.0.0.1:5000/index; what happens is printed here. README.md goes through it step by step.
"""

import argparse
from pathlib import Path

import fastsio

# What is shown besides Socket.IO: a text, a file, or what a function returns.
PAGES = {"/": "成功连接！", "/index": Path(__file__).with_name("index.html")}  # noqa: RUF001

io = fastsio.IO()


def note(*what):
    print(*what, flush=True)


# --- messages ------------------------------------------------------------------------------------


@io.on("connection")
def connection(socket):
    note("connection", "/", socket.request._query)
    socket.send("Hello World!")  # emit("message", "Hello World!")

    @socket.on("message")
    def message(data):
        note("message", data)

    # An event has any name, and as many values as you like; what is returned is the answer.
    @socket.on("order")
    def order(dish, count, options):
        note("order", dish, count, options)
        socket.emit("served", dish, count, options)
        return f"{count} x {dish}"

    @socket.on("everybody")
    def everybody(text):
        io.emit("news", text)

    @socket.on("others")
    def others(text):
        socket.broadcast.emit("news", text)  # everybody but the one who speaks

    @socket.on("disconnect")
    def disconnect(reason):
        note("disconnect", "/", reason)


# --- a namespace, with rooms ---------------------------------------------------------------------


@io.of("chat").on("connection")  # "/chat": the slash may be left out
def chat(socket):
    note("connection", "/chat", socket.handshake.query.get("name"))
    socket.send("Hello from /chat")

    @socket.on("join")
    def join(room):
        socket.join(room)
        return sorted(socket.rooms - {socket.id})

    @socket.on("leave")
    def leave(room):
        socket.leave(room)
        return sorted(socket.rooms - {socket.id})

    @socket.on("say")
    def say(room, text):
        socket.broadcast.to(room).emit("said", room, text)

    @socket.on("disconnect")
    def disconnect(reason):
        note("disconnect", "/chat", reason)


# --- who may come in -----------------------------------------------------------------------------


@io.of("members").use
def has_cookie(socket, next):
    if socket.request.headers.get("cookie"):
        return next()
    return next(Exception("Authentication error"))


@io.of("members").on("connection")
def members(socket):
    note("connection", "/members", socket.request.headers["cookie"])
    socket.emit("welcome", socket.request.headers["cookie"])


# A middleware that takes the socket alone has let it in when it returns.
@io.of("query").use
def knows_who(socket):
    socket.data["user"] = socket.request._query.get("user", "nobody")


@io.of("query").on("connection")
def query(socket):
    socket.emit("you are", socket.data["user"], socket.handshake.query, socket.handshake.auth)


def main():
    parser = argparse.ArgumentParser(description="A first Socket.IO server.")
    parser.add_argument("--port", default=5000, type=int, help="0 takes any that is free")
    fastsio.run(io, port=parser.parse_args().port, pages=PAGES)


if __name__ == "__main__":
    main()
