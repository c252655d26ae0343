"""Content codings: which of those that are there a client takes. Source: RFC 9110 12.5.3 (Accept-Encoding)."""

import functools


@functools.lru_cache(maxsize=128)
def best_coding(header: str, offered: tuple[str, ...]) -> str | None:
    """The offered coding with the greatest weight in an Accept-Encoding; None: the content goes as it is.

    Of several with the same weight it is the first one offered. "*" stands for those that are not named.
    """
    weights = _weights(header)
    others = weights.get("*", 0.0)
    best, best_weight = None, 0.0
    for coding in offered:
        weight = weights.get(coding, others)
        if weight > best_weight:
            best, best_weight = coding, weight
    return best


def _weights(header: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        coding, *parameters = part.split(";")
        weights[coding.strip()] = _weight(parameters)
    return weights


def _weight(parameters: list[str]) -> float:
    """The q of a coding: 1 without one, 0 for what is no number from 0 to 1."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0.0 <= weight <= 1.0 else 0.0
    return 1.0
