"""The same in a program with asyncio."""

import asyncio

import fastsio


async def main():
    async with fastsio.AsyncEmitter("redis://localhost:6379") as emitter:
        await emitter.to("order 7").emit("order", {"state": "sent"})


asyncio.run(main())
