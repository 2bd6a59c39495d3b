"""Accuracy against bytes and against latency as inline SVG, coloured by the page's style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from page.published import Published

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 44, 284, 14, 254  # of the field; the names of references stand to its right
LINE = 14  # between two names
COLOURS = 8  # of the style sheet
SHAPES = {"float32": "circle", "int8": "square"}  # by precision; others are triangles


@dataclass(frozen=True)
class Point:
    """A released file: its recipe, the number of its colour, and its figures."""

    name: str
    colour: int
    precision: str
    x: float
    accuracy: float

    @property
    def shape(self) -> str:
        return SHAPES.get(self.precision, "triangle")


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no other one beats: none has at most their x and a better accuracy; by x."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, -point.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return front


def pareto(points: Sequence[Point], published: Sequence[Published], *, x_label: str, bytes_too: bool) -> str:
    """An SVG of the points on a logarithmic x, the line of those that none beats, and published figures as levels.

    Args:
        bytes_too: whether x is in bytes, so that what is published with its parameters has a place on it.
    """
    sizes = [each.bytes for each in published if bytes_too and each.bytes]
    xs = [point.x for point in points] + sizes
    low, high = math.log10(min(xs)) - 0.12, math.log10(max(xs)) + 0.12
    levels = [point.accuracy for point in points] + [each.accuracy for each in published]
    step = next(step for step in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if (max(levels) - min(levels)) / step <= 6)
    bottom, top = math.floor(min(levels) / step - 0.2) * step, min(1, math.ceil(max(levels) / step + 0.2) * step)
    digits = 2 if step >= 0.01 else 3

    def across(x: float) -> str:
        return f"{LEFT + (math.log10(x) - low) / (high - low) * (RIGHT - LEFT):.1f}"

    def up(y: float) -> str:
        return f"{BOTTOM - (y - bottom) / (top - bottom) * (BOTTOM - TOP):.1f}"

    parts = []
    for i in range(round((top - bottom) / step) + 1):
        y = bottom + i * step
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{up(y)}" y2="{up(y)}"/>')
        parts.append(_text(LEFT - 6, float(up(y)) + 4, f"{y:.{digits}f}".removeprefix("0"), "end"))
    for x in _ticks(low, high):
        parts.append(f'<line class="grid" x1="{across(x)}" x2="{across(x)}" y1="{TOP}" y2="{BOTTOM}"/>')
        parts.append(_text(float(across(x)), BOTTOM + 16, _short(x), "middle"))
    parts.append(_text((LEFT + RIGHT) / 2, HEIGHT - 6, x_label, "middle"))

    ordered = sorted(published, key=lambda each: -each.accuracy)
    for each, place in zip(ordered, _spread([float(up(each.accuracy)) for each in ordered]), strict=True):
        level = up(each.accuracy)
        parts.append(f'<path class="level" d="M{LEFT} {level}H{RIGHT}L{RIGHT + 8} {place:.1f}"/>')
        parts.append(_text(RIGHT + 11, place + 4, each.method, "start", "level-name"))
        if bytes_too and each.bytes:
            x = float(across(each.bytes))
            parts.append(f'<path class="published" d="M{x:.1f} {float(level) - 5:.1f}l5 5l-5 5l-5 -5z"/>')

    front = frontier(points)
    path = f"M{across(front[0].x)} {up(front[0].accuracy)}"
    path += "".join(f"H{across(point.x)}V{up(point.accuracy)}" for point in front[1:]) + f"H{RIGHT}"
    parts.append(f'<path class="front" d="{path}"/>')
    for point in points:
        x, y = float(across(point.x)), float(up(point.accuracy))
        unit = x_label.partition(",")[0]
        title = f"{point.name} {point.precision}: accuracy {point.accuracy:.4f}, {point.x:,.10g} {unit}"
        parts.append(
            f'<g class="c{point.colour % COLOURS}">{_mark(point.shape, x, y)}<title>{escape(title)}</title></g>'
        )

    best = max(points, key=lambda point: point.accuracy)
    told = (
        f"Accuracy against {x_label}: {len(points)} released files beside {len(published)} published figures. The best "
        f"is {best.name} in {best.precision} with {best.accuracy:.4f}; the table below has all of them."
    )
    head = f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(told)}">'
    return f"{head}{''.join(parts)}</svg>"


def mark(shape: str) -> str:
    """A mark by itself, for the legend."""
    return f'<svg class="mark" viewBox="0 0 12 12" aria-hidden="true">{_mark(shape, 6, 6)}</svg>'


def _mark(shape: str, x: float, y: float) -> str:
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    if shape == "square":
        return f'<rect x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9"/>'
    return f'<path d="M{x:.1f} {y - 5.5:.1f}l5.5 10h-11z"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _ticks(low: float, high: float) -> list[float]:
    """1, 3, 10, 30, ... between two powers of ten, without the 3s where there are many."""
    ticks = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in (1, 3)]
    inside = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return inside if len(inside) <= 6 else [tick for tick in inside if math.log10(tick).is_integer()]


def _short(x: float) -> str:
    return f"{x / 1e6:g}M" if x >= 1e6 else f"{x / 1e3:g}k" if x >= 1e3 else f"{x:g}"


def _spread(places: list[float]) -> list[float]:
    """Heights, from the top, so far apart that names can be read, and as near as may be to where they were."""
    spread: list[float] = []
    for place in places:
        spread.append(max(place, spread[-1] + LINE) if spread else place)
    excess = max(0.0, spread[-1] - BOTTOM) if spread else 0.0
    for i in range(len(spread) - 1, -1, -1):  # back up from the bottom
        limit = BOTTOM if i == len(spread) - 1 else spread[i + 1] - LINE
        spread[i] = min(spread[i], limit) if excess else spread[i]
    return spread
