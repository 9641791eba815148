"""Charts as inline SVG without text: shapes on an axis of 0 to 1,000 that stretches to the width it is given.

Labels stand beside them in HTML, where they wrap and scale with the reader's font; each chart has a ``<title>`` that
says in words what it shows. Colours are classes of ``report.css``, so that they follow light and dark.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape

_AXIS = 1000
_LINE = 5


def meter(filled: float, limit: float, title: str) -> str:
    """A bar against its budget; beyond the budget it runs on to the end of the track.

    Args:
        filled: the result, in units of the axis' end (clipped to 0..1).
        limit: where the budget stands, in the same units.
        title: what it shows, in words.
    """
    return _svg(
        [_rect("track", 0, 1, 3, 8), _rect("tone", 0, filled, 3, 8), _mark("limit", limit, 0, 14)], 14, title, "meter"
    )


def bar(filled: float, kind: str, title: str) -> str:
    """One bar of a comparison; ``kind`` is ``base``, ``value`` or ``tone``."""
    return _svg([_rect("track", 0, 1, 0, 12), _rect(kind, 0, filled, 0, 12)], 12, title)


def span(ends: tuple[float, float], point: float, marks: Iterable[tuple[float, str]], title: str) -> str:
    """An interval on an axis: a band from end to end, a mark at the point, and lines at fixed places.

    Args:
        ends: the interval in axis units 0..1.
        point: the best estimate, in the same units.
        marks: (place, class) of lines such as zero and the budget.
        title: what it shows, in words.
    """
    shapes = [_rect("track", 0, 1, 9, 4), _rect("band", ends[0], ends[1], 5, 12)]
    shapes += [_mark(kind, place, 0, 22) for place, kind in marks]
    return _svg([*shapes, _mark("value", point, 2, 18, width=_LINE * 1.6)], 22, title)


def on_axis(value: float, low: float, high: float) -> float:
    """Place a value on an axis from low to high: 0..1, clipped."""
    return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0


def on_log_axis(value: float, low: float, high: float) -> float:
    """The same on an axis of ratios, where half and double stand equally far from one."""
    return on_axis(math.log(value), math.log(low), math.log(high))


def ratio_axis(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis of ratios: a power of two on either side that holds 1 and every value."""
    low = math.floor(math.log2(min(*values, 0.75)))
    high = math.ceil(math.log2(max(*values, 1.5)))
    return 2.0**low, 2.0**high


def _svg(shapes: Iterable[str], height: int, title: str, kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return (
        f'<svg{name} viewBox="0 0 {_AXIS} {height}" preserveAspectRatio="none" role="img">'
        f"<title>{escape(title)}</title>{''.join(shapes)}</svg>"
    )


def _rect(kind: str, start: float, end: float, top: float, height: float) -> str:
    left, right = (_AXIS * min(1.0, max(0.0, each)) for each in (start, end))
    return f'<rect class="{kind}" x="{left:.1f}" y="{top:g}" width="{max(0.0, right - left):.1f}" height="{height:g}"/>'


def _mark(kind: str, place: float, top: float, height: float, *, width: float = _LINE) -> str:
    left = min(_AXIS - width, max(0.0, _AXIS * place - width / 2))
    return f'<rect class="{kind}" x="{left:.1f}" y="{top:g}" width="{width:g}" height="{height:g}"/>'
