"""Forwarding: the option `forward` of the adapters for Redis, and its values checked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Forwarding:
    """What may be on its way: `RedisAdapter(url, forward=Forwarding(max_requests=50_000))`.

    max_requests: how many requests of other servers' sessions this server holds; a client that polls holds one nearly
    all the time, and a relayed WebSocket one. max_bytes: of one request or answer; above it a session ends. timeout:
    seconds for an answer, None: ping_interval + ping_timeout, within which each held request has one. advertise:
    "host:port", where the other servers reach this one by TCP without TLS: upgrades to WebSocket come that way; None:
    they are refused, and their clients poll on. Raises ValueError for what is not positive, or no address.
    """

    max_requests: int = 10_000
    max_bytes: int = 8 * 1024 * 1024
    timeout: float | None = None
    advertise: str | None = None

    def __post_init__(self) -> None:
        for name in ("max_requests", "max_bytes", "timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"Forwarding({name}={value!r}): more than 0")
        if self.advertise is not None and address_in(self.advertise) is None:
            raise ValueError(f'Forwarding(advertise={self.advertise!r}): "host:port"')

    @staticmethod
    def of(given: "bool | Forwarding") -> "Forwarding | None":
        """The option `forward`. Raises TypeError for something else."""
        if isinstance(given, Forwarding):
            return given
        if not isinstance(given, bool):
            raise TypeError(f"forward={given!r}: True, False or Forwarding(…)")
        return Forwarding() if given else None


def address_in(text: str) -> tuple[str, int] | None:
    """The host and port in "host:port", None where there are none."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    return (host, int(port)) if host and port.isdecimal() and 0 < int(port) < 65536 else None
