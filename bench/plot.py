"""A run as an SVG: a row for each case, a dot for each server, logarithmic; further left is better."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from bench.cases import BY_NAME, CPU, FLOOR, MEMORY, SUBJECT, Metric
from bench.report import cells
from bench.tables import number
from bench.verdicts import peers_of

COLOURS = {
    "fastsio": "#0969da",
    "fastsio-3.12": "#54aeff",
    "fastsio-3.13": "#b6e3ff",
    "python-socketio": "#8250df",
    "node-ws": "#1a7f37",
    "node-uws": "#bf8700",
    "bun": "#cf222e",
    "floor": "#8c959f",
}
OTHER = "#57606a"  # a server without a colour of its own
INK, PALE, GRID = "#1f2328", "#656d76", "#e4e8ec"
LEFT, RIGHT, WIDTH = 370, 150, 1060  # of the plot's area, and of all
ROW, HEAD = 25, 58


class Axis:
    """A logarithmic one, of whole steps of 1, 2, 5, 10 …"""

    def __init__(self, values: list[float]):
        self.least, self.most = _step_below(min(values)), _step_above(max(values))

    def x(self, value: float) -> float:
        share = math.log(value / self.least) / math.log(self.most / self.least)
        return LEFT + share * (WIDTH - RIGHT - LEFT)

    def ticks(self) -> Iterator[float]:
        tick = self.least
        while tick <= self.most * 1.001:
            yield tick
            tick = _step_above(tick * 1.01)


def _steps(value: float) -> list[float]:
    decade = 10.0 ** math.floor(math.log10(value))
    return [decade, 2 * decade, 5 * decade, 10 * decade]


def _step_below(value: float) -> float:
    return max(step for step in _steps(value) if step <= value * 1.001)


def _step_above(value: float) -> float:
    return min(step for step in _steps(value) if step >= value * 0.999)


def plot(result: dict) -> str:
    """Two panels, CPU and memory, as far as there are cases of them."""
    parts, y = [_legend(result)], 60
    for metric, title in (
        (CPU, "server CPU per message, us"),
        (MEMORY, "memory per connection, KB"),
    ):
        panel = _panel(result, metric, title, y)
        if panel:
            parts += panel
            y += HEAD + ROW * sum(1 for line in panel if "<g" in line) + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
        'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>"
    )


def _text(
    x: float, y: float, text: str, anchor: str = "start", fill: str = INK, more: str = ""
) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" {more}>{escape(text)}</text>'


def _dot(server: str, x: float, y: float) -> str:
    colour = COLOURS.get(server, OTHER)
    if server == FLOOR:  # no server to choose, but the least there can be
        return f'<path d="M{x:.1f} {y - 10}v20" stroke="{colour}" stroke-width="3"/>'
    radius = 6.5 if server == SUBJECT else 4.5
    return f'<circle cx="{x:.1f}" cy="{y}" r="{radius}" fill="{colour}" stroke="#fff"/>'


def _legend(result: dict) -> str:
    parts, x = [], 20
    for server in result["servers"]:
        name = "C floor" if server == FLOOR else server
        weight = 'font-weight="600"' if server == SUBJECT else ""
        parts += [_dot(server, x, 26), _text(x + 12, 30.5, name, more=weight)]
        x += 32 + 7 * len(name)
    parts.append(_text(WIDTH - 20, 30.5, "← less is better, logarithmic", "end", PALE))
    return "\n".join(parts)


def _panel(result: dict, metric: Metric, title: str, top: int) -> list[str]:
    rows = []
    for about in result["cases"]:
        case = BY_NAME[about["name"]]
        values = {server: cell["value"] for server, cell in cells(result, case.name).items()}
        # Memory that shrank while the connections came has no place on this axis.
        values = {server: v for server, v in values.items() if v > 0}
        if case.metric is metric and len(values) > 1:
            rows.append((case.title, values))
    if not rows:
        return []
    axis = Axis([v for _, values in rows for v in values.values()])
    first = top + HEAD
    bottom = first + ROW * (len(rows) - 1) + ROW / 2
    parts = [_text(20, top + 20, title, more='font-weight="600" font-size="15"')]
    parts.append(_text(WIDTH - 20, top + 32, "best peer / fastsio", "end", PALE, 'font-size="12"'))
    for tick in axis.ticks():
        x = axis.x(tick)
        parts.append(f'<path d="M{x:.1f} {first - ROW / 2}V{bottom}" stroke="{GRID}"/>')
        parts.append(_text(x, top + 32, f"{tick:g}", "middle", PALE, 'font-size="12"'))
    parts += [_row(title, values, axis, first + ROW * i) for i, (title, values) in enumerate(rows)]
    return parts


def _row(title: str, values: dict[str, float], axis: Axis, y: int) -> str:
    parts = [_text(LEFT - 20, y + 4.5, title, "end")]
    xs = [axis.x(value) for value in values.values()]
    parts.append(f'<path d="M{min(xs):.1f} {y}H{max(xs):.1f}" stroke="#d0d7de"/>')
    # fastsio comes last: on top where two are at one place.
    on_top = sorted(values, key=lambda server: server == SUBJECT)
    parts += [_dot(server, axis.x(values[server]), y) for server in on_top]
    peers = peers_of(values).values()
    if SUBJECT in values and peers:
        ratio = min(peers) / values[SUBJECT]
        colour = INK if ratio >= 1 else "#cf222e"
        parts.append(_text(WIDTH - 20, y + 4.5, f"{number(ratio)} x", "end", colour))
    return "<g>" + "".join(parts) + "</g>"
