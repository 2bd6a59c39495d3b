"""Plots accuracy against bytes and latency as inline SVG; the style sheet of the page sets the colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from page.published import Published

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 44, 284, 14, 254  # the plotting area; names of published methods are to its right
LINE = 14  # distance between two names
COLOURS = 8  # colours in the style sheet
SHAPES = {"float32": "circle", "int8": "square"}  # by precision; other precisions are triangles


@dataclass(frozen=True)
class Point:
    """A released file: recipe, colour number, and measured values."""

    name: str
    colour: int
    precision: str
    x: float
    accuracy: float

    @property
    def shape(self) -> str:
        return SHAPES.get(self.precision, "triangle")


def frontier(points: Sequence[Point]) -> list[Point]:
    """The Pareto front: points for which no other point has a higher accuracy at the same or a smaller x."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, -point.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return front


def pareto(points: Sequence[Point], published: Sequence[Published], *, x_label: str, bytes_too: bool) -> str:
    """An SVG of the points on a logarithmic x axis, their Pareto front, and published accuracies as horizontal lines.

    Args:
        bytes_too: whether x is in bytes, so that published models of known size get a mark.
    """
    sizes = [each.bytes for each in published if bytes_too and each.bytes]
    accuracies = [point.accuracy for point in points] + [each.accuracy for each in published]
    axes = _Axes([*(point.x for point in points), *sizes], accuracies)
    parts = [*axes.grid(), _text((LEFT + RIGHT) / 2, HEIGHT - 6, x_label, "middle")]
    ordered = sorted(published, key=lambda each: -each.accuracy)
    for each, label_y in zip(ordered, _spread([axes.y(each.accuracy) for each in ordered]), strict=True):
        y = axes.y(each.accuracy)
        parts.append(f'<path class="level" d="M{LEFT} {y:.1f}H{RIGHT}L{RIGHT + 8} {label_y:.1f}"/>')
        parts.append(_text(RIGHT + 11, label_y + 4, each.method, "start", "level-name"))
        if bytes_too and each.bytes:
            parts.append(f'<path class="published" d="M{axes.x(each.bytes):.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"/>')

    front = frontier(points)
    path = f"M{axes.x(front[0].x):.1f} {axes.y(front[0].accuracy):.1f}"
    path += "".join(f"H{axes.x(point.x):.1f}V{axes.y(point.accuracy):.1f}" for point in front[1:]) + f"H{RIGHT}"
    parts.append(f'<path class="front" d="{path}"/>')
    for point in points:
        shape = _mark(point.shape, axes.x(point.x), axes.y(point.accuracy))
        unit = x_label.partition(",")[0]
        title = f"{point.name} {point.precision}: accuracy {point.accuracy:.4f}, {point.x:,.10g} {unit}"
        parts.append(f'<g class="c{point.colour % COLOURS}">{shape}<title>{escape(title)}</title></g>')

    best = max(points, key=lambda point: point.accuracy)
    description = (
        f"Accuracy against {x_label}: {len(points)} released files and {len(published)} published results. The best "
        f"file is {best.name} in {best.precision} with {best.accuracy:.4f}; the table below lists all of them."
    )
    head = f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}">'
    return f"{head}{''.join(parts)}</svg>"


class _Axes:
    """A logarithmic x axis and a linear accuracy axis that fit the given values."""

    def __init__(self, xs: Sequence[float], accuracies: Sequence[float]) -> None:
        self.low, self.high = math.log10(min(xs)) - 0.12, math.log10(max(xs)) + 0.12
        spread = max(accuracies) - min(accuracies)
        self.step = next(step for step in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if spread / step <= 6)
        self.bottom = math.floor(min(accuracies) / self.step - 0.2) * self.step
        self.top = min(1, math.ceil(max(accuracies) / self.step + 0.2) * self.step)

    def x(self, value: float) -> float:
        return LEFT + (math.log10(value) - self.low) / (self.high - self.low) * (RIGHT - LEFT)

    def y(self, accuracy: float) -> float:
        return BOTTOM - (accuracy - self.bottom) / (self.top - self.bottom) * (BOTTOM - TOP)

    def grid(self) -> list[str]:
        """Grid lines with their labels."""
        parts, digits = [], 2 if self.step >= 0.01 else 3
        for i in range(round((self.top - self.bottom) / self.step) + 1):
            accuracy = self.bottom + i * self.step
            y = self.y(accuracy)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(_text(LEFT - 6, y + 4, f"{accuracy:.{digits}f}".removeprefix("0"), "end"))
        for tick in _ticks(self.low, self.high):
            x = self.x(tick)
            parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BOTTOM}"/>')
            parts.append(_text(x, BOTTOM + 16, _short(tick), "middle"))
        return parts


def mark(shape: str) -> str:
    """A mark for the legend."""
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
    """1, 3, 10, 30, ... between two powers of ten; only powers of ten if there would be more than six ticks."""
    ticks = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in (1, 3)]
    inside = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return inside if len(inside) <= 6 else [tick for tick in inside if math.log10(tick).is_integer()]


def _short(x: float) -> str:
    return f"{x / 1e6:g}M" if x >= 1e6 else f"{x / 1e3:g}k" if x >= 1e3 else f"{x:g}"


def _spread(heights: list[float]) -> list[float]:
    """Moves heights apart, from top to bottom, so that labels do not overlap."""
    spread: list[float] = []
    for height in heights:
        spread.append(max(height, spread[-1] + LINE) if spread else height)
    excess = max(0.0, spread[-1] - BOTTOM) if spread else 0.0
    for i in range(len(spread) - 1, -1, -1):  # move back up from the bottom
        limit = BOTTOM if i == len(spread) - 1 else spread[i + 1] - LINE
        spread[i] = min(spread[i], limit) if excess else spread[i]
    return spread
