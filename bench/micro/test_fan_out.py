"""A broadcast to 1000 sockets whose transport sends nothing: encode, queue, flush."""

from fastsio._codec import encode_packet
from fastsio._dispatch import NamespaceBase, SocketBase
from fastsio._fanout import Flusher, Outlet, SessionBase, fan_out
from fastsio._json import Json

MEMBERS = 1000


class NullOutlet(Outlet):
    """Takes what was queued for it and keeps the last of it."""

    def drain(self) -> None:
        self.last = self.take_queue()


def room(flusher: Flusher) -> dict[str, SocketBase]:
    namespace = NamespaceBase("/", Json(), set())
    members = {}
    for i in range(MEMBERS):
        session = SessionBase()
        session.outlet = NullOutlet()
        session.outlet.set_flusher(flusher)
        session.outlet.is_writable = True
        session.outlet.max_buffered_bytes = 1_000_000
        members[f"sid{i}"] = SocketBase(f"sid{i}", session, namespace)
    return members


def test_fastsio(benchmark):
    benchmark.group = f"fan-out of {MEMBERS} to a null transport"
    flusher = Flusher(lambda run: None)
    members = room(flusher)

    def broadcast():
        count = fan_out(members, encode_packet(2, ["news", "x" * 32]))
        flusher.run()
        return count

    count = benchmark(broadcast)
    last = [[encoded.text for encoded in member.session.outlet.last] for member in members.values()]
    expected = [[b'42["news","' + b"x" * 32 + b'"]']] * MEMBERS
    benchmark.extra_info["correct"] = count == MEMBERS and last == expected
