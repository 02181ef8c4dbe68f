from __future__ import annotations

import copy
import doctest
import json
import math
import pickle
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from flask_loop import geo
from flask_loop.geo import UNITS, Box, GeoPoint, bounding_boxes, earth_radius, haversine

lats = st.floats(-90, 90) | st.sampled_from([-90.0, -89.999999, 0.0, 89.999999, 90.0])
lngs = st.floats(-180, 180) | st.sampled_from([-180.0, -179.999999, 0.0, 179.999999, 180.0])
points = st.builds(GeoPoint, lats, lngs)
units = st.sampled_from(sorted(UNITS))
angles = st.floats(0, math.pi) | st.floats(0, 1e-3) | st.sampled_from([0.0, math.pi / 2, math.pi])
fractions = st.floats(0, 1) | st.sampled_from([1.0, 1 - 1e-15, 1 - 1e-12])

NOT_A_NUMBER: list[Any] = [
    True,
    None,
    "",
    " ",
    "abc",
    "0x10",
    "1_0",
    "\u0661",
    "5 ",
    "+5",
    "05",
    ".5",
]
NOT_A_NUMBER += ["nan", "inf", "-Infinity", b"5", [5], {"lat": 5}, 1j, object()]
NOT_FINITE: list[Any] = [math.nan, math.inf, -math.inf, 10**400, 10**5000, "1e999", Decimal("sNaN")]


# Construction


@pytest.mark.parametrize(
    "point",
    [
        GeoPoint(10, 5),
        GeoPoint(10.0, 5.0),
        GeoPoint(Decimal("10.0"), "5"),
        GeoPoint(lat=10, lng=5),
        GeoPoint({"lat": 10, "lng": 5}),
        GeoPoint({"lng": "5", "lat": "10.0"}),
        GeoPoint([10, 5]),
        GeoPoint((10, 5)),
        GeoPoint(["1e1", "5"]),
        GeoPoint("10,5"),
        GeoPoint("  10.0 ,\t5 "),
        GeoPoint('{"lat":10,"lng":5}'),
        GeoPoint(' {"lat": "10", "lng": 5.0} '),
        GeoPoint("[10,5]"),
        GeoPoint(GeoPoint(10, 5)),
    ],
)
def test_every_constructor_form_makes_the_same_point(point: GeoPoint) -> None:
    assert point == GeoPoint(10, 5)
    assert (point.lat, point.lng) == (10.0, 5.0)
    assert type(point.lat) is type(point.lng) is float


@given(lats, lngs)
def test_constructor_forms_agree_on_all_points(lat: float, lng: float) -> None:
    point = GeoPoint(lat, lng)
    assert GeoPoint(lat=lat, lng=lng) == point
    assert GeoPoint({"lat": lat, "lng": lng}) == point
    assert GeoPoint({"lat": repr(lat), "lng": str(Decimal(lng))}) == point
    assert GeoPoint([lat, lng]) == GeoPoint((lat, lng)) == point
    assert GeoPoint(f"{lat}, {lng}") == point
    assert GeoPoint(json.dumps({"lat": lat, "lng": lng})) == point
    assert GeoPoint(json.dumps([lat, lng])) == point
    assert GeoPoint(point) == point


@given(points)
def test_a_point_comes_back_from_each_of_its_own_forms(point: GeoPoint) -> None:
    assert GeoPoint(str(point)) == point
    assert GeoPoint(point.to_dict()) == point
    assert GeoPoint(orjson.dumps(point).decode()) == point
    assert pickle.loads(pickle.dumps(point)) == point  # noqa: S301 (our own bytes)
    assert copy.deepcopy(point) == point


def test_the_ends_of_the_ranges_are_included() -> None:
    assert GeoPoint(-90, -180).to_dict() == {"lat": -90.0, "lng": -180.0}
    assert GeoPoint(90, 180).to_dict() == {"lat": 90.0, "lng": 180.0}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"lat": 91, "lng": 0}, "lat must be between -90 and 90, not 91.0"),
        ([-90.00001, 0], "lat must be between -90 and 90, not -90.00001"),
        ("0,180.5", "lng must be between -180 and 180, not 180.5"),
        ("0,-181", "lng must be between -180 and 180, not -181.0"),
        ({"lat": 1}, "lng is missing: a GeoPoint has the keys lat and lng"),
        ({}, "lat is missing: a GeoPoint has the keys lat and lng"),
        (
            {"lat": 1, "lng": 2, "alt": 3},
            "a GeoPoint has the keys lat and lng, not 'alt'",
        ),
        ({"lat": 1, "lng": 2, 3: 4}, "a GeoPoint has the keys lat and lng, not 3"),
        ({"lat": None, "lng": 2}, "lat must be a number, not None"),
        ([], "a GeoPoint has two numbers, lat and lng, not 0"),
        ([1, 2, 3], "a GeoPoint has two numbers, lat and lng, not 3"),
        ("[1]", "a GeoPoint has two numbers, lat and lng, not 1"),
        ("", "a GeoPoint as text is \"lat,lng\", not ''"),
        ("1,2,3", "a GeoPoint as text is \"lat,lng\", not '1,2,3'"),
        ("1,", "lng must be a number, not ''"),
        ("1 2,3", "lat must be a number, not '1 2'"),
        ('{"lat": 1', "a GeoPoint cannot be read from the JSON '{\"lat\": 1'"),
        ("[NaN, 1]", "lat must be a finite number"),
        ("[true, 1]", "lat must be a number, not True"),
        (
            10,
            "a GeoPoint is made from lat and lng, as a dict, a list or text, not from 10",
        ),
    ],
)
def test_a_value_that_is_no_point_is_refused_with_the_reason(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        GeoPoint(value)


@pytest.mark.parametrize("junk", NOT_A_NUMBER)
def test_a_coordinate_that_is_no_number_is_refused(junk: Any) -> None:
    with pytest.raises(ValueError, match="lat must be a number, not "):
        GeoPoint({"lat": junk, "lng": 0})
    with pytest.raises(ValueError, match="lng must be a number, not "):
        GeoPoint([0, junk])


@pytest.mark.parametrize("number", NOT_FINITE, ids=lambda number: type(number).__name__)
def test_a_number_that_is_not_finite_is_refused(number: Any) -> None:
    with pytest.raises(ValueError, match=r"^lat must be a finite number$"):
        GeoPoint(number, 0)
    with pytest.raises(ValueError, match=r"^lng must be a finite number$"):
        GeoPoint(lat=0, lng=number)


@pytest.mark.parametrize(
    "value",
    ["[" * 100_000, "[" + "9" * 5000 + ",1]", "x" * 100_000, 10**5000, {10**5000: 1}],
    ids=["deep", "many digits", "long", "huge", "huge key"],
)
def test_hostile_values_are_refused_with_a_short_sentence(value: Any) -> None:
    with pytest.raises(ValueError, match=r"GeoPoint|lat") as caught:
        GeoPoint(value)
    assert len(str(caught.value)) < 150


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
near_text = st.text(alphabet='0123456789.,-+eE{}[]": latng', max_size=20)


@given(anything | near_text | st.fixed_dictionaries({"lat": anything, "lng": anything}))
def test_whatever_comes_is_a_valid_point_or_a_value_error(value: Any) -> None:
    try:
        point = GeoPoint(value)
    except ValueError:
        return
    assert -90 <= point.lat <= 90
    assert -180 <= point.lng <= 180


@pytest.mark.parametrize(
    "call",
    [
        lambda make: make(),
        lambda make: make(1, 2, 3),
        lambda make: make(1, lng=2),
        lambda make: make({"lat": 1}, lng=2),
    ],
)
def test_a_wrong_set_of_arguments_is_a_type_error(call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"write GeoPoint\(lat, lng\)"):
        call(GeoPoint)


# Value semantics


def test_points_are_equal_by_value_and_hash_alike() -> None:
    assert GeoPoint(1, 2) == GeoPoint("1,2")
    assert GeoPoint(1, 2) != GeoPoint(2, 1)
    pair: object = (1.0, 2.0)
    assert GeoPoint(1, 2) != pair
    assert len({GeoPoint(1, 2), GeoPoint("1,2"), GeoPoint(2, 1)}) == 2


def test_negative_zero_is_zero() -> None:
    point = GeoPoint("-0,-0.0")
    assert math.copysign(1, point.lat) == math.copysign(1, point.lng) == 1
    assert str(point) == "0,0"


def test_a_point_cannot_be_changed() -> None:
    point: Any = GeoPoint(1, 2)
    with pytest.raises(AttributeError):
        point.lat = 3
    with pytest.raises(AttributeError):
        del point.lng
    with pytest.raises((AttributeError, TypeError)):
        point.altitude = 3
    assert not hasattr(point, "__dict__")
    assert point == GeoPoint(1, 2)


def test_text_repr_and_json() -> None:
    point = GeoPoint(10, 5.25)
    assert str(point) == "10,5.25"
    assert repr(point) == "GeoPoint(lat=10.0, lng=5.25)"
    assert point.to_dict() == {"lat": 10.0, "lng": 5.25}
    assert orjson.dumps(point) == b'{"lat":10.0,"lng":5.25}'


# Distance


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("miles", 486.3956513042483),
        ("kilometers", 782.777923052584),
        ("meters", 782777.923052584),
        ("feet", 2568169.038886431),
        ("radians", 0.12286596812232353),
        ("degrees", 7.0397014191977645),
    ],
)
def test_distances_are_those_of_loopback(unit: str, expected: float) -> None:
    here, there = GeoPoint(10, 10), GeoPoint(5, 5)
    assert here.distance_to(there, unit) == pytest.approx(expected, rel=1e-14)
    assert here.distance_to(there, {"type": unit}) == here.distance_to(there, unit)
    assert GeoPoint.distance_between(here, there, unit) == here.distance_to(there, unit)


def test_miles_are_the_default_unit() -> None:
    assert GeoPoint(10, 10).distance_to(GeoPoint(5, 5)) == pytest.approx(486.396, abs=5e-4)
    assert GeoPoint.distance_between("10,10", "5,5") == pytest.approx(486.396, abs=5e-4)
    assert earth_radius() == UNITS["miles"]


def test_distances_are_taken_to_all_that_the_constructor_takes() -> None:
    expected = GeoPoint(10, 10).distance_to(GeoPoint(5, 5))
    assert GeoPoint(10, 10).distance_to({"lat": 5, "lng": 5}) == expected
    assert GeoPoint(10, 10).distance_to("5,5") == expected
    assert GeoPoint.distance_between([10, 10], '{"lat": 5, "lng": 5}') == expected
    with pytest.raises(ValueError, match="lat must be between"):
        GeoPoint(10, 10).distance_to((100, 5))


@pytest.mark.parametrize("unit", ["parsecs", "Miles", "", None, 1, ["miles"], {"type": "mile"}])
def test_an_unknown_unit_is_refused_and_the_known_are_listed(unit: Any) -> None:
    with pytest.raises(ValueError, match=r"unknown unit .*; the units are miles, radians, kilom"):
        GeoPoint(1, 2).distance_to("3,4", unit)
    with pytest.raises(ValueError, match=r"meters, feet, degrees$"):
        GeoPoint.distance_between("1,2", "3,4", unit)


@pytest.mark.parametrize("options", [{}, {"unit": "miles"}, {"type": "miles", "unit": "miles"}])
def test_distance_options_have_the_one_key_type(options: Any) -> None:
    with pytest.raises(ValueError, match=r'distance options are \{"type": <unit>\}, not \{'):
        GeoPoint(1, 2).distance_to("3,4", options)


@given(points, points, units)
def test_distance_is_symmetric(a: GeoPoint, b: GeoPoint, unit: str) -> None:
    assert a.distance_to(b, unit) == b.distance_to(a, unit)


@given(points, units)
def test_distance_to_itself_is_zero(point: GeoPoint, unit: str) -> None:
    assert point.distance_to(point, unit) == 0


@given(points, points, units)
def test_units_are_consistent(a: GeoPoint, b: GeoPoint, unit: str) -> None:
    angle = a.distance_to(b, "radians")
    assert 0 <= angle <= math.pi
    assert a.distance_to(b, unit) == angle * UNITS[unit]


@given(points, points, points)
def test_a_detour_is_never_shorter(a: GeoPoint, b: GeoPoint, c: GeoPoint) -> None:
    direct = a.distance_to(c, "radians")
    assert direct <= a.distance_to(b, "radians") + b.distance_to(c, "radians") + 1e-7


@pytest.mark.parametrize(
    ("a", "b", "degrees"),
    [
        ((0, 0), (0, 90), 90),
        ((90, 0), (-90, 0), 180),
        ((0, 0), (0, 180), 180),
        ((0, -90), (0, 90), 180),
        ((0, 179), (0, -179), 2),
        ((12, 180), (12, -180), 0),
        ((90, 0), (90, 180), 0),
        ((89, 0), (89, 180), 2),
    ],
)
def test_distances_known_from_geometry(
    a: tuple[float, float], b: tuple[float, float], degrees: float
) -> None:
    assert GeoPoint.distance_between(a, b, "degrees") == pytest.approx(degrees, abs=1e-5)


# Boxes


def within(boxes: list[Box], lat: float, lng: float) -> bool:
    return any(box.south <= lat <= box.north and box.west <= lng <= box.east for box in boxes)


def destination(start: GeoPoint, bearing: float, angle: float) -> GeoPoint:
    """The point at an angle from a start, so that examples lie near the edge of the circle."""
    phi = math.radians(start.lat)
    sine = math.sin(phi) * math.cos(angle) + math.cos(phi) * math.sin(angle) * math.cos(bearing)
    lat = math.asin(max(-1.0, min(1.0, sine)))
    turn = math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(phi),
        math.cos(angle) - math.sin(phi) * math.sin(lat),
    )
    lng = math.remainder(start.lng + math.degrees(turn), 360)
    return GeoPoint(max(-90.0, min(90.0, math.degrees(lat))), max(-180.0, min(180.0, lng)))


@given(points, angles, st.floats(0, 2 * math.pi), fractions)
@example(GeoPoint(0, 180), 0.1, math.pi / 2, 1.0)
@example(GeoPoint(0, -180), 0.1, -math.pi / 2, 1.0)
@example(GeoPoint(89, 0), math.radians(1), 0.0, 1.0)
@example(GeoPoint(-89, 179), math.radians(1) - 1e-12, math.pi, 1.0)
@example(GeoPoint(90, 10), 0.0, 0.0, 1.0)
@example(GeoPoint(60, 10), math.radians(30) - 1.1e-9, 0.003, 1.0)
def test_boxes_hold_the_points_at_the_edge_of_the_circle(
    center: GeoPoint, angle: float, bearing: float, fraction: float
) -> None:
    point = destination(center, bearing, angle * fraction)
    assume(haversine(center.lat, center.lng, point.lat, point.lng) <= angle)
    assert within(bounding_boxes(center, angle), point.lat, point.lng)


@given(points, points)
@example(GeoPoint(90, 0), GeoPoint(90, 180))
@example(GeoPoint(0, 180), GeoPoint(0, -180))
@example(GeoPoint(0, 0), GeoPoint(0, 180))
@example(GeoPoint(-90, 0), GeoPoint(90, 0))
def test_boxes_as_wide_as_a_distance_hold_the_point(center: GeoPoint, point: GeoPoint) -> None:
    angle = haversine(center.lat, center.lng, point.lat, point.lng)
    assert within(bounding_boxes(center, angle), point.lat, point.lng)


@given(points, angles)
def test_boxes_are_well_formed(center: GeoPoint, angle: float) -> None:
    boxes = bounding_boxes(center, angle)
    assert len(boxes) in (1, 2)
    for box in boxes:
        assert -90 <= box.south <= box.north <= 90
        assert -180 <= box.west <= box.east <= 180
    assert within(boxes, center.lat, center.lng)


@given(st.floats(-60, 60), lngs, st.floats(0, 0.5))
def test_boxes_are_no_wider_than_needed(lat: float, lng: float, angle: float) -> None:
    boxes = bounding_boxes(GeoPoint(lat, lng), angle)
    height = boxes[0].north - boxes[0].south
    width = sum(box.east - box.west for box in boxes)
    needed = math.asin(math.sin(angle) / math.cos(math.radians(lat)))
    assert height == pytest.approx(2 * math.degrees(angle), abs=1e-6)
    assert width == pytest.approx(2 * math.degrees(needed), abs=1e-4)


@pytest.mark.parametrize(
    ("lng", "western", "eastern"),
    [(179, (177, 180), (-180, -179)), (-179, (179, 180), (-180, -177))],
)
def test_boxes_split_at_the_antimeridian(
    lng: float, western: tuple[float, float], eastern: tuple[float, float]
) -> None:
    first, second = bounding_boxes(GeoPoint(0, lng), math.radians(2))
    assert [first.west, first.east] == pytest.approx(western)
    assert [second.west, second.east] == pytest.approx(eastern)
    assert (first.east, second.west) == (180.0, -180.0)


@pytest.mark.parametrize(
    ("lat", "degrees", "south", "north"), [(89, 2, 87, 90), (-80, 10, -90, -70), (40, 60, -20, 90)]
)
def test_boxes_that_reach_a_pole_span_all_longitudes(
    lat: float, degrees: float, south: float, north: float
) -> None:
    (box,) = bounding_boxes(GeoPoint(lat, 10), math.radians(degrees))
    assert [box.south, box.north] == pytest.approx([south, north])
    assert (box.west, box.east) == (-180.0, 180.0)


@pytest.mark.parametrize("radians", [math.pi, 3.14, 100, math.inf])
def test_an_angle_as_big_as_the_globe_gives_the_globe(radians: float) -> None:
    assert bounding_boxes(GeoPoint(10, 10), radians) == [(-90.0, 90.0, -180.0, 180.0)]


@pytest.mark.parametrize("radians", [-1e-9, -math.inf, math.nan])
def test_a_negative_angle_is_refused(radians: float) -> None:
    with pytest.raises(ValueError, match="radians must be 0 or greater, not "):
        bounding_boxes(GeoPoint(10, 10), radians)


# Documentation


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(sys.modules[geo.__name__]).failed == 0


def test_the_examples_on_the_page_are_true() -> None:
    page = Path(__file__).parents[1] / "docs" / "geopoint.rst"
    result = doctest.testfile(str(page), module_relative=False, globs={"GeoPoint": GeoPoint})
    assert result.attempted > 0
    assert result.failed == 0


def test_the_page_names_every_unit() -> None:
    page = (Path(__file__).parents[1] / "docs" / "geopoint.rst").read_text(encoding="utf-8")
    assert [unit for unit in UNITS if f"``{unit}``" not in page] == []
