"""What a Celery task, a Django view or a script does: plain calls."""

import fastsio

emitter = fastsio.Emitter("redis://localhost:6379")


def pack(order):
    emitter.to(f"order {order}").emit("order", {"state": "packed"})


if __name__ == "__main__":
    pack(7)
    emitter.server_side_emit("shop closes", 30)
