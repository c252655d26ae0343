"""Names of the server's own events, where clients may send events of the same name."""


class OwnEvent(str):
    """Equal to nothing but itself: what a client sends under that name reaches none of its listeners."""

    __slots__ = ()
    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__


HIGH_WATER = OwnEvent("high_water")
LOW_WATER = OwnEvent("low_water")
_BY_NAME = {str(event): event for event in (HIGH_WATER, LOW_WATER)}


def own_event(event: str) -> str:
    """What listeners of `event` are kept under: for one of these names, the OwnEvent."""
    return _BY_NAME.get(event, event)
