"""Charts as SVG 1.1, written by hand: a page with them needs no network, no script, no library. Colours are classes of the page's style sheet."""

import html
import math
from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 860, 240
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 26, 34
NARROW = 30  # half of what a label of the horizontal axis takes
MOST = 1500  # points a line: more than a screen has columns
Range = tuple[float, float]
Points = Sequence[tuple[float, float]]


def thin(points: Points) -> list[tuple[float, float]]:
    """Keep what can be seen of a long series: of each of MOST / 2 stretches the least and the greatest, in order."""
    if len(points) <= MOST:
        return list(points)
    found: list[tuple[float, float]] = []
    step = len(points) / (MOST // 2)
    for k in range(MOST // 2):
        part = points[int(k * step) : int((k + 1) * step)]
        ends = {min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}
        found += sorted(ends)
    return found


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Give round values that divide a range: 1, 2 or 5 times a power of ten apart."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """Write a value on an axis."""
    if value == 0 or 0.001 <= abs(value) < 1_000_000:
        return f"{value:,.6f}".rstrip("0").rstrip(".")
    return f"{value:.2g}"


class Chart:
    """Axes, and what is drawn between them. `x_text` writes a value of the horizontal axis; without `y` there is no vertical one."""

    def __init__(self, title: str, x: Range, y: Range | None, x_text: Callable[[float], str] = number, unit: str = "") -> None:
        self._x, self._y = _widened(*x), _widened(*(y or (0.0, 1.0)))
        self._parts: list[str] = []
        label = f'<text class="axis" x="{LEFT - 6}" y="{TOP - 14}" text-anchor="end">{html.escape(unit)}</text>' if unit else ""
        self._head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}"><title>{html.escape(title)}</title>{label}'
        for value in ticks(*self._y) if y is not None else ():
            at = self._at_y(value)
            self._parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
            self._parts.append(f'<text class="axis" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{number(value)}</text>')
        for value in ticks(*self._x, about=7):
            place = self._at_x(value)
            anchor = "end" if place > WIDTH - NARROW else "middle"
            self._parts.append(
                f'<text class="axis" x="{place:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="{anchor}">{html.escape(x_text(value))}</text>'
            )

    def _at_x(self, value: float) -> float:
        return LEFT + (value - self._x[0]) / (self._x[1] - self._x[0]) * (WIDTH - LEFT - RIGHT)

    def _at_y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self._y[0]) / (self._y[1] - self._y[0]) * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Points, style: str) -> None:
        """Draw a line through points, in steps: a value holds until the next one."""
        found = [(self._at_x(x), self._at_y(y)) for x, y in thin(points)]
        if found:
            path = f"M{found[0][0]:.1f} {found[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in found[1:])
            self._parts.append(f'<path class="line {style}" d="{path}"/>')

    def marks(self, points: Points, style: str, *, up: bool) -> None:
        """Draw a triangle for each point, its tip up or down."""
        d = 4.0 if up else -4.0
        for x, y in thin(points):
            a, b = self._at_x(x), self._at_y(y)
            self._parts.append(f'<path class="{style}" d="M{a:.1f} {b - d:.1f}L{a - 4:.1f} {b + d:.1f}H{a + 4:.1f}Z"/>')

    def bars(self, bars: Sequence[tuple[float, float, float]], style: str) -> None:
        """Draw bars from x to x, so high."""
        for begin, end, value in bars:
            x, y = self._at_x(begin), self._at_y(value)
            width, height = max(self._at_x(end) - x - 0.5, 0.5), self._at_y(self._y[0]) - y
            self._parts.append(f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>')

    def spans(self, spans: Sequence[tuple[float, float, str]]) -> None:
        """Draw bars that lie one below the other, from the top: from x to x, with a name to the left of the axis."""
        height = (HEIGHT - TOP - BOTTOM) / max(len(spans), 1)
        for k, (begin, end, name) in enumerate(spans):
            x, y = self._at_x(begin), TOP + k * height
            width = max(self._at_x(end) - x, 1.0)
            self._parts.append(f'<rect class="bar" x="{x:.1f}" y="{y + 2:.1f}" width="{width:.1f}" height="{max(height - 4, 1):.1f}"/>')
            self._parts.append(f'<text class="axis" x="{LEFT - 6}" y="{y + height / 2 + 4:.1f}" text-anchor="end">{html.escape(name)}</text>')

    def svg(self) -> str:
        """Give the element."""
        return self._head + "".join(self._parts) + "</svg>"


def _widened(low: float, high: float) -> Range:
    """Give a range that is one."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    return (low, high) if high > low else (low - max(abs(low) * 0.01, 0.5), high + max(abs(high) * 0.01, 0.5))
