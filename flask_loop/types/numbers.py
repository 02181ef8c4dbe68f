"""Numbers: integers of 64 bits, numbers as JSON has them, exact decimals."""

from __future__ import annotations

import math
import re
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any

from .base import PropertyType

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1

_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
#: Decimals are moved by powers of ten in this context, whatever the caller's own one would round.
_EXACT = Context(prec=100, traps=[Inexact])


class Integer(PropertyType):
    """A whole number of 64 bits with sign."""

    name, python, message = "Integer", int, "is not an integer"
    ordered = dumps_itself = True

    def load(self, value: Any, *, text: bool = True) -> int:
        is_text = type(value) is str and text and len(value) <= 20 and _INTEGER.fullmatch(value)
        if is_text or (isinstance(value, float) and value.is_integer()):
            value = int(value)
        elif not isinstance(value, int) or isinstance(value, bool):
            raise self.mismatch()
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return int(value)
        raise self.mismatch("is outside the range of 64-bit integers")

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "format": "int64"}


class Number(PropertyType):
    """A number as JSON has it: integers stay integers, others are floats."""

    name, python, message = "Number", float, "is not a number"
    ordered = dumps_itself = True

    def load(self, value: Any, *, text: bool = True) -> float:
        if type(value) is str and text and _NUMBER.fullmatch(value) and len(value) <= 400:
            value = int(value) if _INTEGER.fullmatch(value) else float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.mismatch()
        return self._in_domain(value)

    def _in_domain(self, value: Any) -> float:
        if isinstance(value, float):
            if not math.isfinite(value):
                raise self.mismatch("is not a finite number")
            # 5.0 and 5 are one number in JSON: each data source stores and orders them alike.
            if value.is_integer() and MIN_INTEGER < value < MAX_INTEGER:
                return int(value)
            return float(value)
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return int(value)
        raise self.mismatch("is outside the range of 64-bit integers")

    def json_schema(self) -> dict[str, Any]:
        return {"type": "number"}


class DecimalNumber(PropertyType):
    """An exact decimal, text on the wire.

    :param precision: digits in all, at most 18.
    :param scale: digits after the point. Where given, values are shown with exactly so many; where
        not, up to :attr:`DEFAULT_SCALE` are kept and zeros at the end dropped.
    """

    name, python, message = "Decimal", Decimal, "is not a decimal number"
    ordered = True
    DEFAULT_SCALE = 6
    MAX_PRECISION = 18

    def __init__(self, precision: int | None = None, scale: int | None = None) -> None:
        self.fixed = scale is not None
        self.scale = self.DEFAULT_SCALE if scale is None else scale
        self.precision = self.MAX_PRECISION if precision is None else precision
        if not 0 <= self.scale <= self.precision <= self.MAX_PRECISION:
            raise ValueError(
                f"a decimal has 0 <= scale <= precision <= {self.MAX_PRECISION} digits, "
                f"not scale {self.scale} and precision {self.precision}"
            )

    def load(self, value: Any, *, text: bool = True) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
            raise self.mismatch()
        if isinstance(value, str) and not (_NUMBER.fullmatch(value) and len(value) <= 40):
            raise self.mismatch()
        try:
            number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
        except InvalidOperation:
            raise self.mismatch() from None
        return self._in_domain(number)

    def _in_domain(self, number: Decimal) -> Decimal:
        if not number.is_finite():
            raise self.mismatch("is not a finite number")
        if number and number.adjusted() >= self.precision - self.scale:
            raise self.mismatch(
                f"has more than {self.precision - self.scale} digits before the point"
            )
        try:
            scaled = int(number.scaleb(self.scale, _EXACT).to_integral_exact(context=_EXACT))
        except Inexact:
            raise self.mismatch(f"has more than {self.scale} digits after the point") from None
        return self.from_scaled(scaled)

    def to_scaled(self, value: Decimal) -> int:
        """The value as an integer count of its smallest unit, exact on every database."""
        return int(value.scaleb(self.scale, _EXACT))

    def from_scaled(self, scaled: int) -> Decimal:
        value = Decimal(scaled).scaleb(-self.scale, _EXACT)
        if self.fixed:
            return value
        return Decimal(format(value.normalize(_EXACT), "f")) if value else Decimal(0)

    def dump(self, value: Decimal) -> str:
        return format(value, "f")

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "decimal"}
