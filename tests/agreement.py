"""Random cases in which several ways to one answer agree.

``DIFFERENTIAL_EXAMPLES=5000 pytest tests/connectors/test_differential.py`` looks further, at other
examples each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from zlib import crc32

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "0"))


def for_cases(
    cases: SearchStrategy[Any], examples: int, check: Callable[..., None], *arguments: Any
) -> None:
    """Check what holds in every case.

    :param cases: where they come from.
    :param examples: how many to look at, where the environment does not say.
    :param check: called with the arguments and a case. Its name says which cases are chosen.
    """

    def agrees(case: Any) -> None:
        check(*arguments, case)

    chosen = settings(
        max_examples=EXAMPLES or examples,
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    test = chosen(given(case=cases)(agrees))
    if not EXAMPLES:
        test = seed(crc32(check.__name__.encode()))(test)
    test()
