"""Circles: how the records that may be near a point are narrowed down before they are measured.

What holds a circle may hold more: the distance of every record that is left is computed all the
same, by the formula of :func:`flask_loop.geo.haversine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ...geo import bounding_boxes
from ...query import Near
from .lists import Expression, NextParameter


class Circles:
    """Boxes around a circle, in latitudes and longitudes, as an ordinary index finds them."""

    def values(self, near: Near, radius: float, values: list[Any]) -> Any:
        """What is known of a circle without its values, which are added to ``values``.

        :param near: has the point.
        :param radius: in radians of arc.
        """
        boxes = bounding_boxes(near.point, radius)
        for box in boxes:
            values.extend((box.south, box.north, box.west, box.east))
        return len(boxes)

    def expression(
        self, near: Near, radius: float, columns: Sequence[Expression], parameter: NextParameter
    ) -> Expression:
        """Whether a row's point may be in a circle, with parameters in the order of the values.

        :param columns: the latitude and the longitude.
        """
        lat, lng = columns
        return sa.or_(
            *(
                sa.and_(
                    lat.between(parameter(), parameter()), lng.between(parameter(), parameter())
                )
                for _ in bounding_boxes(near.point, radius)
            )
        )
