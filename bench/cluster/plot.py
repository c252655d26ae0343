"""What a broadcast costs at each place, as an SVG: a row for each kind and place; shorter is better."""

from __future__ import annotations

from html import escape

from bench.cluster.kinds import BURST
from bench.plot import COLOURS, INK, OTHER, PALE

LEFT, RIGHT, WIDTH = 210, 90, 900
ROW, HEAD = 20, 46
PLACES = (
    (f"sender: what publishing adds ({BURST.in_flight} at once)", "publish_us"),
    ("each other node, with one client", "receiver_us"),
    ("Redis", "redis_us"),
)


def plot(result: dict) -> str:
    most = max(result["nodes"])
    found = [one for one in result["costs"] if one["nodes"] == most]
    parts, y = [_text(16, 26, f"A broadcast in a cluster of {most}: CPU, us", size=16)], 40
    for title, key in PLACES:
        rows = [(one, one[BURST.name][key]) for one in found if one[BURST.name][key]]
        if not rows:
            continue
        scale = (WIDTH - LEFT - RIGHT) / max(spread["most"] for _, spread in rows)
        parts.append(_text(16, y + 22, title, size=13))
        y += HEAD - 12
        for one, spread in rows:
            parts += _bar(one, spread, scale, y)
            y += ROW
        y += 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 6}" '
        'font-family="system-ui, sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{y + 6}" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _bar(one: dict, spread: dict, scale: float, y: float) -> list[str]:
    least, median, most = (
        LEFT + max(0.0, spread[key]) * scale for key in ("least", "median", "most")
    )
    name = "node-ws" if one["server"] == "node" else one["server"]
    middle = y + ROW / 2
    return [
        _text(LEFT - 8, middle + 4, one["kind"], "end"),
        f'<rect x="{LEFT}" y="{y + 3}" width="{median - LEFT:.1f}" height="{ROW - 6}" '
        f'fill="{COLOURS.get(name, OTHER)}"/>',
        f'<path d="M{least:.1f} {middle}H{most:.1f}" stroke="{INK}" stroke-width="1"/>',
        _text(most + 6, middle + 4, f"{spread['median']:.1f}", fill=PALE),
    ]


def _text(
    x: float, y: float, text: str, anchor: str = "start", fill: str = INK, size: int = 12
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">'
        f"{escape(text)}</text>"
    )
