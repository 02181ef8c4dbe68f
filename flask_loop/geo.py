"""Points on the globe, the distance between them, and the boxes that hold all that is near.

Distances are great-circle distances by the haversine formula, with LoopBack's constants, so that
both give the same numbers to the last digit.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypeAlias, overload

__all__ = [
    "UNITS",
    "Box",
    "GeoPoint",
    "GeoPointLike",
    "bounding_boxes",
    "earth_radius",
    "haversine",
]

Degrees: TypeAlias = int | float | Decimal | str
GeoPointLike: TypeAlias = "GeoPoint | Mapping[str, Degrees] | Sequence[Degrees] | str"

#: The earth's radius in each unit: an angle in radians times it is a distance in that unit.
UNITS: dict[str, float] = {
    "miles": 3958.75,
    "radians": 1.0,
    "kilometers": 6370.99056,
    "meters": 6370990.56,
    "feet": 20902200.0,
    "degrees": 57.29577951308,
}

#: LoopBack's, 3e-12 above pi / 180.
RADIANS_PER_DEGREE = 0.01745329252


@dataclass(frozen=True, slots=True, init=False)
class GeoPoint:
    """A latitude and a longitude in degrees. Immutable, hashable, equal by value.

    A point is made from two numbers, from a dict, a list or tuple, from text, or from another
    point; where there is an order it is latitude, longitude::

        GeoPoint(10, 5)
        GeoPoint(lat=10, lng=5)
        GeoPoint({"lat": 10, "lng": 5})
        GeoPoint([10, 5])
        GeoPoint("10,5")
        GeoPoint('{"lat": 10, "lng": 5}')

    A number may also come as its exact text, as in ``{"lat": "10.3", "lng": "5"}``.

    :param lat: the latitude, an ``int``, ``float``, ``Decimal`` or ``str``, in degrees from -90
        (south pole) to 90 (north pole), both included.
    :param lng: the longitude, of the same types, in degrees from -180 to 180, both included.
    :raises ValueError: if the value is none of these forms, a key is missing or unknown, or a
        coordinate is not a number, not finite, or out of range.
    :raises TypeError: if the constructor is called with a wrong set of arguments.
    """

    lat: float
    lng: float

    @overload
    def __init__(self, value: GeoPointLike, /) -> None: ...

    @overload
    def __init__(self, lat: Degrees, lng: Degrees, /) -> None: ...

    @overload
    def __init__(self, *, lat: Degrees, lng: Degrees) -> None: ...

    def __init__(self, *args: object, **named: object) -> None:
        lat, lng = _coordinates(_single_value(args, named))
        object.__setattr__(self, "lat", _degrees("lat", lat, 90))
        object.__setattr__(self, "lng", _degrees("lng", lng, 180))

    def __str__(self) -> str:
        return f"{_plain(self.lat)},{_plain(self.lng)}"

    def to_dict(self) -> dict[str, float]:
        """Give the JSON form of the point.

        :returns: ``{"lat": …, "lng": …}``, both in degrees.
        """
        return {"lat": self.lat, "lng": self.lng}

    def distance_to(self, other: GeoPointLike, unit: str | Mapping[str, str] = "miles") -> float:
        """Measure the great-circle distance from this point to another.

        >>> GeoPoint(10, 10).distance_to(GeoPoint(5, 5), "kilometers")  # doctest: +ELLIPSIS
        782.77792...

        :param other: a :class:`GeoPoint`, or anything its constructor takes as one value.
        :param unit: ``"miles"``, ``"radians"``, ``"kilometers"``, ``"meters"``, ``"feet"`` or
            ``"degrees"``; LoopBack's options, ``{"type": "miles"}``, mean the same.
        :returns: the distance in that unit, from 0 to half the earth's circumference.
        :raises ValueError: if ``other`` is no point or the unit is unknown.
        """
        radius = earth_radius(unit)
        there = other if isinstance(other, GeoPoint) else GeoPoint(other)
        return haversine(self.lat, self.lng, there.lat, there.lng) * radius

    @staticmethod
    def distance_between(
        a: GeoPointLike, b: GeoPointLike, unit: str | Mapping[str, str] = "miles"
    ) -> float:
        """Measure the great-circle distance between two points.

        >>> GeoPoint.distance_between("10,10", "5,5")  # doctest: +ELLIPSIS
        486.39565...

        :param a: a :class:`GeoPoint`, or anything its constructor takes as one value.
        :param b: the other point, in any of the same forms.
        :param unit: the unit, as :meth:`distance_to` takes it.
        :returns: the distance in that unit.
        :raises ValueError: if ``a`` or ``b`` is no point or the unit is unknown.
        """
        return GeoPoint(a).distance_to(b, unit)


class Box(NamedTuple):
    """A range of latitudes and longitudes in degrees, edges included; west is never above east."""

    south: float
    north: float
    west: float
    east: float


def earth_radius(unit: str | Mapping[str, str] = "miles") -> float:
    """Look up the earth's radius, by which an angle in radians becomes a distance.

    :param unit: a key of :data:`UNITS`, or LoopBack's options, ``{"type": <unit>}``.
    :returns: the radius in that unit.
    :raises ValueError: if the unit is unknown.
    """
    name: object = unit
    if isinstance(unit, Mapping):
        if set(unit) != {"type"}:
            raise ValueError(f'distance options are {{"type": <unit>}}, not {_short(unit)}')
        name = unit["type"]
    if not isinstance(name, str) or name not in UNITS:
        raise ValueError(f"unknown unit {_short(name)}; the units are {', '.join(UNITS)}")
    return UNITS[name]


def haversine(lat1: float, lng1: float, lat2: float, lng2: float) -> float:
    """Compute the angle between two points; all plain floats, so that databases can call it.

    :param lat1: latitude of the first point in degrees.
    :param lng1: longitude of the first point in degrees.
    :param lat2: latitude of the second point in degrees.
    :param lng2: longitude of the second point in degrees.
    :returns: the central angle in radians, from 0 to pi.
    """
    half_height = math.sin((lat2 - lat1) * RADIANS_PER_DEGREE / 2)
    half_width = math.sin((lng2 - lng1) * RADIANS_PER_DEGREE / 2)
    cosines = math.cos(lat1 * RADIANS_PER_DEGREE) * math.cos(lat2 * RADIANS_PER_DEGREE)
    chord = half_height * half_height + cosines * half_width * half_width
    return 2 * math.asin(math.sqrt(min(1.0, max(0.0, chord))))


# What haversine() is off by, from rounding and from LoopBack's constant, stays far below the margin
# (6 mm on the ground) for angles up to _NEARLY_ANTIPODAL; beyond, it is ill-conditioned, and the
# whole globe is as good an answer.
_MARGIN = 1e-9
_NEARLY_ANTIPODAL = 3.14


def bounding_boxes(center: GeoPoint, radians: float) -> list[Box]:
    """Find the boxes that surely contain every point within an angle of a center.

    The boxes are for narrowing a search by index; they hold points beyond the angle too, so
    :func:`haversine` has the last word.

    >>> [(round(box.west), round(box.east)) for box in bounding_boxes(GeoPoint(0, 179), 0.05)]
    [(176, 180), (-180, -178)]

    :param center: the center.
    :param radians: the angle, 0 or greater: a distance divided by its unit's :data:`UNITS`.
    :returns: one :class:`Box`, or two where the antimeridian splits it. Where a pole is within the
        angle, the box spans all longitudes.
    :raises ValueError: if ``radians`` is negative or not a number.
    """
    if not radians >= 0:
        raise ValueError(f"radians must be 0 or greater, not {radians}")
    angle = radians + _MARGIN
    if angle >= _NEARLY_ANTIPODAL:
        return [Box(-90.0, 90.0, -180.0, 180.0)]
    height = math.degrees(angle)
    south, north = max(-90.0, center.lat - height), min(90.0, center.lat + height)
    width = _half_width(center.lat, angle)
    if width is None:
        return [Box(south, north, -180.0, 180.0)]
    return [
        Box(south, north, west, east)
        for west, east in _split_at_antimeridian(center.lng - width, center.lng + width)
    ]


def _half_width(lat: float, angle: float) -> float | None:
    """Degrees of longitude that the angle reaches to either side; None where it reaches a pole."""
    phi = abs(math.radians(lat))
    if phi + angle >= math.pi / 2:
        return None
    # The same as asin(sin(angle) / cos(phi)), which loses its digits where the ratio nears 1.
    adjacent = math.sqrt(math.cos(phi + angle) * math.cos(phi - angle))
    return math.degrees(math.atan2(math.sin(angle), adjacent))


def _split_at_antimeridian(west: float, east: float) -> list[tuple[float, float]]:
    if west < -180:
        return [(west + 360, 180.0), (-180.0, east)]
    if east > 180:
        return [(west, 180.0), (-180.0, east - 360)]
    return [(west, east)]


def _single_value(args: tuple[object, ...], named: dict[str, object]) -> object:
    """Bring the constructor's arguments to the one value that they stand for."""
    if named and not args:
        return named
    if named or not 1 <= len(args) <= 2:
        raise TypeError("write GeoPoint(lat, lng), GeoPoint(lat=…, lng=…) or GeoPoint(value)")
    return args[0] if len(args) == 1 else args


def _coordinates(value: object) -> tuple[object, object]:
    if isinstance(value, GeoPoint):
        return value.lat, value.lng
    if isinstance(value, str):
        value = _from_text(value)
    if isinstance(value, Mapping):
        return _from_mapping(value)
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError(f"a GeoPoint has two numbers, lat and lng, not {len(value)}")
        return value[0], value[1]
    raise ValueError(
        f"a GeoPoint is made from lat and lng, as a dict, a list or text, not from {_short(value)}"
    )


def _from_text(text: str) -> object:
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.loads(text, parse_int=float)
        except (ValueError, RecursionError):
            raise ValueError(f"a GeoPoint cannot be read from the JSON {_short(text)}") from None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2:
        raise ValueError(f'a GeoPoint as text is "lat,lng", not {_short(text)}')
    return parts


def _from_mapping(value: Mapping[object, object]) -> tuple[object, object]:
    for key in value:
        if key not in ("lat", "lng"):
            raise ValueError(f"a GeoPoint has the keys lat and lng, not {_short(key)}")
    for key in ("lat", "lng"):
        if key not in value:
            raise ValueError(f"{key} is missing: a GeoPoint has the keys lat and lng")
    return value["lat"], value["lng"]


_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def _degrees(name: str, value: object, limit: int) -> float:
    number = _number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number")
    if not -limit <= number <= limit:
        raise ValueError(f"{name} must be between {-limit} and {limit}, not {number}")
    return number + 0.0  # makes -0.0 the 0.0 that it equals


def _number(name: str, value: object) -> float:
    if isinstance(value, str):
        if _NUMBER.fullmatch(value):
            return float(value)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        try:
            return float(value)
        except (OverflowError, ValueError):  # an int beyond every float; a signaling NaN
            return math.inf
    raise ValueError(f"{name} must be a number, not {_short(value)}")


def _plain(number: float) -> str:
    """The number's shortest text, whole numbers without a point, as JavaScript writes them."""
    return repr(number).removesuffix(".0")


def _short(value: object) -> str:
    """A value's repr for an error message; bounded, because the value may be a client's."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an int of more digits than Python turns into text
        return f"this {type(value).__name__}"
