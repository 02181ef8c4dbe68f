"""``like``, ``ilike`` and ``regexp``."""

# ruff: noqa: S101 - text in several scripts; assert is how tests check

from __future__ import annotations

import re
from typing import Any

import pytest

from ..errors import FilterError
from .base import Contract, Store


class PatternContract(Contract):
    """Text patterns."""

    @pytest.mark.parametrize(
        ("pattern", "matching"),
        [
            ("abc", ["abc"]),
            ("b", []),
            ("ab", []),
            ("a%", ["abc", "a%c", "a_c", "a\\c", "a\nc", "a", "a.*[c]"]),
            ("%c", ["abc", "a%c", "a_c", "a\\c", "a\nc", "xaBbc"]),
            ("%b%", ["abc", "xaBbc"]),
            ("a_c", ["abc", "a%c", "a_c", "a\\c", "a\nc"]),
            ("a__", ["abc", "a%c", "a_c", "a\\c", "a\nc"]),
            ("%", ["abc", "ABC", "a%c", "a_c", "a\\c", "a\nc", "a", "", "xaBbc", "a.*[c]"]),
            ("_", ["a"]),
            ("", [""]),
            (r"a\%c", ["a%c"]),
            (r"a\_c", ["a_c"]),
            (r"a\\c", ["a\\c"]),
            (r"a\b\c", ["abc"]),
            (r"%\%%", ["a%c"]),
            ("a.*[c]", ["a.*[c]"]),
            ("a.c", []),
            ("ABC", ["ABC"]),
            ("Abc", []),
        ],
        ids=repr,
    )
    def test_like_matches_the_whole_text(self, store: Store, pattern: str, matching: Any) -> None:
        texts = ["abc", "ABC", "a%c", "a_c", "a\\c", "a\nc", "a", "", "xaBbc", "a.*[c]"]
        things = store(str, [*texts, None])
        found = [each.value for each in things.find(where={"value": {"like": pattern}})]
        assert found == matching
        others = [each.value for each in things.find(where={"value": {"nlike": pattern}})]
        assert others == [text for text in [*texts, None] if text not in matching]

    def test_a_backslash_at_the_end_of_like_is_itself(self, store: Store) -> None:
        things = store(str, ["a\\", "a", "a%"])
        found = things.find(where={"value": {"like": "a\\"}})
        assert [each.value for each in found] == ["a\\"]

    def test_an_underscore_is_one_code_point(self, store: Store) -> None:
        things = store(str, ["ä", "a\u0308", "\U0001f600", "ab", "日本"])
        one = things.find(where={"value": {"like": "_"}})
        two = things.find(where={"value": {"like": "__"}})
        assert [each.value for each in one] == ["ä", "\U0001f600"]
        assert [each.value for each in two] == ["a\u0308", "ab", "日本"]

    def test_like_respects_the_case_of_every_script(self, store: Store) -> None:
        things = store(str, ["Ä", "ä", "Ж", "ж"])
        assert [each.value for each in things.find(where={"value": {"like": "ä"}})] == ["ä"]
        assert [each.value for each in things.find(where={"value": {"like": "Ж%"}})] == ["Ж"]

    @pytest.mark.parametrize(
        ("pattern", "matching"),
        [
            ("ABC", ["abc", "ABC"]),
            ("abc", ["abc", "ABC"]),
            ("aB%", ["abc", "ABC"]),
            ("äÖ", ["äö", "ÄÖ"]),
            ("É_", ["éa"]),
            ("жЖ", ["ЖЖ"]),
            ("σοφίΑ", ["ΣΟΦΊΑ", "σοφία"]),
            (r"%\_%", ["A_"]),
            ("b%", []),
        ],
        ids=repr,
    )
    def test_ilike_ignores_case_in_every_script(
        self, store: Store, pattern: str, matching: Any
    ) -> None:
        texts = ["abc", "ABC", "äö", "ÄÖ", "éa", "ЖЖ", "ΣΟΦΊΑ", "σοφία", "A_", None]
        things = store(str, texts)
        found = [each.value for each in things.find(where={"value": {"ilike": pattern}})]
        assert found == matching
        others = [each.value for each in things.find(where={"value": {"nilike": pattern}})]
        assert others == [text for text in texts if text not in matching]

    def test_like_with_the_option_i_is_ilike(self, store: Store) -> None:
        things = store(str, ["ä", "Ä", "b"])
        found = things.find(where={"value": {"like": "ä", "options": "i"}})
        assert [each.value for each in found] == ["ä", "Ä"]
        others = things.find(where={"value": {"nlike": "ä", "options": "i"}})
        assert [each.value for each in others] == ["b"]

    @pytest.mark.parametrize(
        ("pattern", "matching"),
        [
            ("b", ["abc", "b\nc"]),
            ("^b", ["b\nc"]),
            ("c$", ["abc", "a1c", "b\nc"]),
            ("^abc$", ["abc"]),
            ("^(abc|ABC)$", ["abc", "ABC"]),
            ("a.c", ["abc", "a1c"]),
            (r"\d", ["a1c"]),
            ("[A-Z]{3}", ["ABC"]),
            ("/abc/", ["abc"]),
            ("/abc/i", ["abc", "ABC"]),
            ("(?i)abc", ["abc", "ABC"]),
            (re.compile("aBc", re.IGNORECASE), ["abc", "ABC"]),
            ("/Ä/i", ["ä"]),
            ("^.$", ["ä", "\U0001f600"]),
            ("", ["abc", "ABC", "a1c", "b\nc", "ä", "\U0001f600", ""]),
            ("^$", [""]),
            ("(a+)+$", []),
        ],
        ids=repr,
    )
    def test_regexp_searches(self, store: Store, pattern: Any, matching: Any) -> None:
        things = store(str, ["abc", "ABC", "a1c", "b\nc", "ä", "\U0001f600", "", None])
        found = [each.value for each in things.find(where={"value": {"regexp": pattern}})]
        assert found == matching

    @pytest.mark.parametrize("pattern", ["(", "a{5000}", "x" * 1001, "/a/x", None, 5], ids=repr)
    def test_a_broken_pattern_is_refused(self, store: Store, pattern: Any) -> None:
        things = store(str, ["a"])
        with pytest.raises(FilterError):
            things.find(where={"value": {"regexp": pattern}})

    def test_patterns_of_one_shape_are_not_mixed_up(self, store: Store) -> None:
        things = store(str, ["ab", "bc", "AB"])
        for _ in range(2):
            for operator, pattern, expected in [
                ("like", "a%", ["ab"]),
                ("like", "b%", ["bc"]),
                ("like", "%b", ["ab"]),
                ("ilike", "a%", ["ab", "AB"]),
                ("ilike", "ä%", []),
                ("regexp", "^b", ["bc"]),
                ("regexp", "/^a/i", ["ab", "AB"]),
            ]:
                found = things.find(where={"value": {operator: pattern}})
                assert [each.value for each in found] == expected
