"""A client that watches order 7 until it has left."""

import asyncio

import fastsio


async def main():
    client = fastsio.AsyncClient()
    left = asyncio.Event()

    @client.on("order")
    def order(change):
        print("order 7:", change["state"], flush=True)
        if change["state"] == "sent":
            left.set()

    await client.connect("http://localhost:5000")
    await client.emit("watch", 7)
    print("watching", flush=True)
    await left.wait()
    await client.disconnect()


asyncio.run(main())
