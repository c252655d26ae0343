"""The chat server in the style of Node's Socket.IO: every client is a socket object.

server_aio.py is the same server in python-socketio's style; rooms.py is what both serve.
"""

import fastsio

if __package__:
    from .page import serve_options
    from .rooms import MAX_UPLOAD, Chat, RefusedError
else:  # run as a script
    from page import serve_options
    from rooms import MAX_UPLOAD, Chat, RefusedError

io = fastsio.IO(max_http_buffer_size=MAX_UPLOAD)
chat = Chat()


def announce():
    """Tell those whom it concerns who is in their room now, and everybody which rooms there are."""
    for room in chat.changed_rooms():
        io.to(room.channel).emit("people", room.listing)
    io.emit("rooms", chat.room_list())


@io.on("connection")
def connection(socket):
    socket.emit("hello", chat.hello())

    @socket.on("join")
    def join(*args):
        try:
            person, left, replaced = chat.join(socket.id, *args)
        except RefusedError as refused:
            return refused.answer
        if replaced:  # the same browser tab, whose connection before has not been missed yet
            io.to(replaced).emit("replaced")
            io.in_(replaced).disconnect_sockets()
        if left:
            socket.leave(left.channel)
        socket.join(person.room.channel)
        announce()
        return chat.welcome(person, *args)

    @socket.on("message")
    def message(*args):
        try:
            room, said, at = chat.post(socket.id, *args)
        except RefusedError as refused:
            return refused.answer
        if said:
            socket.to(room.channel).emit("message", said)
        return {"at": at}

    @socket.on("typing")
    def typing(*args):
        if person := chat.typing(socket.id):
            socket.to(person.room.channel).emit("typing", person.name)

    @socket.on("disconnect")
    def disconnect(reason):
        chat.leave(socket.id)
        announce()


if __name__ == "__main__":
    fastsio.run(io, **serve_options())
