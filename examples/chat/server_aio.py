"""The chat server in python-socketio's style: every handler gets the client's sid.

server_io.py is the same server in Node's style; rooms.py is what both serve.
"""

import fastsio

if __package__:
    from .page import serve_options
    from .rooms import MAX_UPLOAD, Chat, RefusedError
else:  # run as a script
    from page import serve_options
    from rooms import MAX_UPLOAD, Chat, RefusedError

sio = fastsio.AsyncServer(max_http_buffer_size=MAX_UPLOAD)
chat = Chat()


async def announce():
    """Tell those whom it concerns who is in their room now, and everybody which rooms there are."""
    for room in chat.changed_rooms():
        await sio.emit("people", room.listing, room=room.channel)
    await sio.emit("rooms", chat.room_list())


@sio.event
async def connect(sid, environ):
    await sio.emit("hello", chat.hello(), to=sid)


@sio.event
async def join(sid, *args):
    try:
        person, left, replaced = chat.join(sid, *args)
    except RefusedError as refused:
        return refused.answer
    if replaced:  # the same browser tab, whose connection before has not been missed yet
        await sio.emit("replaced", to=replaced)
        await sio.disconnect(replaced)
    if left:
        await sio.leave_room(sid, left.channel)
    await sio.enter_room(sid, person.room.channel)
    await announce()
    return chat.welcome(person, *args)


@sio.event
async def message(sid, *args):
    try:
        room, said, at = chat.post(sid, *args)
    except RefusedError as refused:
        return refused.answer
    if said:
        await sio.emit("message", said, room=room.channel, skip_sid=sid)
    return {"at": at}


@sio.event
async def typing(sid, *args):
    if person := chat.typing(sid):
        await sio.emit("typing", person.name, room=person.room.channel, skip_sid=sid)


@sio.event
async def disconnect(sid, reason):
    chat.leave(sid)
    await announce()


if __name__ == "__main__":
    fastsio.run(sio, **serve_options())
