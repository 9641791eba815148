import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from edgekit.present.charts import bar, meter, on_axis, on_log_axis, ratio_axis, span

SHARES = st.floats(-3, 3)


def rectangles(svg: str) -> list[tuple[str, float, float]]:
    """Class, left and right of every rectangle."""
    root = ET.fromstring(svg)  # noqa: S314 - our own text
    return [
        (each.get("class", ""), float(each.get("x", "0")), float(each.get("x", "0")) + float(each.get("width", "0")))
        for each in root.iter("rect")
    ]


@given(SHARES, SHARES, SHARES)
def test_no_shape_leaves_the_axis(low: float, point: float, high: float) -> None:
    for svg in (meter(low, point, "t"), bar(high, "value", "t"), span((low, high), point, [(point, "limit")], "t")):
        assert all(-0.11 <= left <= right <= 1000.11 for _, left, right in rectangles(svg))


def test_a_meter_shows_the_result_and_where_the_budget_stands() -> None:
    shapes = {kind: (left, right) for kind, left, right in rectangles(meter(0.4, 2 / 3, "size"))}
    assert shapes["tone"] == (0.0, 400.0)
    left, right = shapes["limit"]
    assert left < 1000 * 2 / 3 < right


def test_a_title_is_escaped() -> None:
    assert "<title>a &lt; b &amp; c</title>" in bar(0.5, "base", "a < b & c")


def test_half_and_double_stand_equally_far_from_one() -> None:
    one = on_log_axis(1.0, 0.25, 4.0)
    assert one == 0.5
    assert abs((on_log_axis(2.0, 0.25, 4.0) - one) - (one - on_log_axis(0.5, 0.25, 4.0))) < 1e-12


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=4))
def test_an_axis_of_ratios_holds_one_and_every_value(values: list[float]) -> None:
    low, high = ratio_axis(values)
    assert low < 1 < high
    assert all(low <= each <= high for each in values)


def test_an_axis_without_length_places_everything_at_its_start() -> None:
    assert on_axis(5.0, 2.0, 2.0) == 0.0


def test_a_chart_holds_no_text_but_its_title() -> None:
    assert re.findall(r"<text", span((0.2, 0.4), 0.3, [], "t")) == []
