from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_loop.errors import BadRequest
from flask_loop.query import parse_query


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("a=1", {"a": "1"}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a[b]=1", {"a": {"b": "1"}}),
        ("a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        ("a[]=1", {"a": ["1"]}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[0]=1&a[1]=2", {"a": ["1", "2"]}),
        ("a[1]=second&a[0]=first", {"a": ["first", "second"]}),
        ("a[10]=last&a[9]=first", {"a": ["first", "last"]}),
        ("a[][b]=1&a[][b]=2", {"a": [{"b": "1"}, {"b": "2"}]}),
        ("a[0][b]=1&a[0][c]=2&a[1][b]=3", {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        ("a[0]=x&a[b]=y", {"a": {"0": "x", "b": "y"}}),
        ("a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
        ("a[b]=1&a[b]=2", {"a": {"b": ["1", "2"]}}),
        ("a+b=c+d", {"a b": "c d"}),
        ("a=1%2B1", {"a": "1+1"}),
        ("a%5Bb%5D=1", {"a": {"b": "1"}}),
        ("a[b%20c]=1", {"a": {"b c": "1"}}),
        ("a=x=y", {"a": "x=y"}),
        ("a=x;b=y", {"a": "x;b=y"}),
        ("&&a=1&&", {"a": "1"}),
        ("a=%E2%82%AC", {"a": "€"}),
        ("stra%C3%9Fe[%E6%9D%B1]=%F0%9F%9A%B2", {"straße": {"東": "🚲"}}),
        ("a=100%", {"a": "100%"}),
        ("a=%zz", {"a": "%zz"}),
        ("a.b=1", {"a.b": "1"}),
        ("a[b.c]=1", {"a": {"b.c": "1"}}),
    ],
)
def test_brackets_nest_and_everything_else_is_text(text: str, expected: dict[str, Any]) -> None:
    assert parse_query(text) == expected


@pytest.mark.parametrize(
    "key", ["a[b", "a[b]c", "a[b]]", "a[[b]]", "[a]", "[]", "a[b][c", "a[b]c[d]", "a[b] "]
)
def test_a_malformed_key_is_refused_and_named(key: str) -> None:
    with pytest.raises(BadRequest, match="malformed key") as caught:
        parse_query(f"{quote(key)}=1")
    assert repr(key) in caught.value.message


@pytest.mark.parametrize(
    "text", ["a=1&a[b]=2", "a[b]=2&a=1", "a[b]=1&a[b][c]=2", "a=1&a[]=2", "a=1&a=2&a[0]=3"]
)
def test_a_key_that_is_a_value_and_holds_others_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is a value and holds others"):
        parse_query(text)


def test_an_index_and_empty_brackets_do_not_overwrite_each_other() -> None:
    assert parse_query("a[1]=first&a[]=second&a[]=third") == {"a": ["first", "second", "third"]}
    assert parse_query("a[1][x]=1&a[][x]=2") == {"a": [{"x": "1"}, {"x": "2"}]}


def test_a_thousand_indexed_values_are_one_list() -> None:
    text = "&".join(f"filter[where][id][inq][{index}]={index}" for index in range(1000))
    values = parse_query(text)["filter"]["where"]["id"]["inq"]
    assert values == [str(index) for index in range(1000)]


def test_many_fields_take_time_in_proportion_to_their_number() -> None:
    indexed = "&".join(f"a[{index}]=x" for index in range(5000, 9999))
    begin = time.thread_time()
    assert len(parse_query(indexed + "&a[]=y" * 4999)["a"]) == 9998
    assert time.thread_time() - begin < 1


def test_too_many_fields_are_refused() -> None:
    assert len(parse_query("a[]=1&" * 5, max_fields=10)["a"]) == 5
    with pytest.raises(BadRequest, match="more than 10 fields"):
        parse_query("a[]=1&" * 11, max_fields=10)


def test_too_many_levels_are_refused() -> None:
    assert parse_query("a" + "[b]" * 31 + "=1")
    with pytest.raises(BadRequest, match="nests more than 32 levels"):
        parse_query("a" + "[b]" * 32 + "=1")


def test_an_index_of_any_length_is_no_trouble() -> None:
    digits = "9" * 5000
    assert parse_query(f"a[{digits}]=x&a[b]=y") == {"a": {digits: "x", "b": "y"}}
    assert parse_query(f"a[{digits}]=x") in ({"a": ["x"]}, {"a": {digits: "x"}})


@pytest.mark.parametrize("text", ["a=%ff", "%ff=a", "a[%c3]=1", "a=%ed%a0%80"])
def test_escapes_that_are_no_utf_8_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="not UTF-8"):
        parse_query(text)


def test_bytes_that_were_not_escaped_are_utf_8() -> None:
    assert parse_query("a[ü]=Zürich".encode()) == {"a": {"ü": "Zürich"}}
    with pytest.raises(BadRequest, match="not UTF-8"):
        parse_query(b"a=\xff")


NAMES = st.text(min_size=1, max_size=6).filter(
    lambda text: (
        not set(text) & set("[]")
        and not text.isdecimal()
        and not any(0xD800 <= ord(c) < 0xE000 for c in text)
    )
)
VALUES = st.text(max_size=6, alphabet=st.characters(codec="utf-8"))
TREES = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4),
        st.dictionaries(NAMES, inner, min_size=1, max_size=4),
    ),
    max_leaves=12,
)


def written(tree: Any, key: str) -> list[str]:
    """A tree as the fields of a query string."""
    if isinstance(tree, dict):
        return [f for name, item in tree.items() for f in written(item, f"{key}[{quote(name)}]")]
    if isinstance(tree, list):
        return [f for index, item in enumerate(tree) for f in written(item, f"{key}[{index}]")]
    return [f"{key}={quote(tree)}"]


@given(tree=st.dictionaries(NAMES, TREES, max_size=4))
def test_what_is_written_in_brackets_is_read_back(tree: dict[str, Any]) -> None:
    text = "&".join(field for name, item in tree.items() for field in written(item, quote(name)))
    assert parse_query(text) == tree


@given(text=st.text(alphabet=st.sampled_from("ab[]=&0123%+. é"), max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = parse_query(text)
    except BadRequest:
        return
    assert all(isinstance(key, str) for key in parsed)
