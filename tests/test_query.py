"""The query parser and the links: what is accepted comes back as it was sent, and anything else is a bad request."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from drivers.query import Filter, ImageQuery, Order
from service.filters import WITH_OPERATOR, parse_time, read_filter, split_items
from service.links import first_link, next_link, read_pairs
from service.policy.engine import load_policy
from service.protections import Protections
from service.query import read_query
from service.refusals import BadRequest
from service.rules import Rules
from service.settings import Settings
from service.sorting import DIRECTIONS, KEYS, read_order
from tests.callers import CALLERS
from tests.conformance import ONE

RULES = Rules(load_policy(None), Protections(), Settings())

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.sampled_from(
    [
        *("limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "member_status", "os_hidden", "protected"),
        *("tag", "changes-since", "deleted", "id", "name", "status", "owner", "size", "size_min", "min_ram_max"),
        *("foo_min", "created_at", "updated_at", "created_at_min", "os_distro", "tags"),
    ]
)
# Values near what is accepted, so that both sides of each border are met.
values = texts | st.sampled_from(
    [
        *("", "0", "25", "-1", "1.5", "all", "public", "true", "TRUE", "asc", "desc", "name", "name:asc,size", "in:"),
        *('in:"a,b",c', 'in:a"b', "eq:a:b", "neq:x", "2026-01-28T12:58:17Z", "gte:2026-01-28", "lt:never", "\0"),
    ]
)
pairs = st.lists(st.tuples(names | texts, values), max_size=6).map(tuple)
times = st.datetimes(timezones=st.just(UTC))


def asked(query: str) -> ImageQuery:
    """Read a query string as a member does."""
    return read_query(read_pairs(query), RULES, CALLERS["ann"])


def outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """Give what a call returns, or the BadRequest it raises; anything else that it raises fails the test."""
    try:
        return call(*arguments)
    except BadRequest as refusal:
        assert str(refusal), "a refusal says why"  # noqa: PT017 - whether it is one is for the test to say
        return refusal


def test_nothing_asked_is_the_newest_25_that_the_caller_sees() -> None:
    assert asked("") == ImageQuery(project_id="p1")


def test_everything_asked_is_read() -> None:
    query = "tag=+a+&tag=b&tag=a&os=linux&name=in:x,y&size_min=5&limit=3&sort_key=name&visibility=all&os_hidden=TRUE"
    assert asked(f"{query}&member_status=pending&marker={ONE}&created_at=gt:2026-01-28&protected=true") == ImageQuery(
        project_id="p1",
        visibility="all",
        member_status="pending",
        os_hidden=True,
        filters=(
            Filter("name", "in", ("x", "y")),
            Filter("size", "gte", 5),
            Filter("created_at", "gt", datetime(2026, 1, 28, tzinfo=UTC)),
            Filter("protected", "eq", True),
        ),
        properties=(("os", "linux"),),
        tags=("a", "b"),
        sort=(Order("name"), Order("created_at"), Order("id")),
        marker=ONE,
        limit=3,
    )


@given(pairs)
def test_any_parameters_are_a_query_or_a_bad_request(pairs: Any) -> None:
    query = outcome(read_query, pairs, RULES, CALLERS["ann"])
    assert isinstance(query, BadRequest) or (0 <= query.limit <= 1000 and query.sort)


@given(st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_a_query_or_a_bad_request(sent: bytes) -> None:
    # As the server hands them on: ASCII with its escapes, and what is no UTF-8 as surrogates.
    for raw in (quote(sent, safe="=&:,"), sent.decode(errors="surrogateescape")):
        assert isinstance(outcome(asked, raw), ImageQuery | BadRequest)


@given(pairs, st.uuids().map(str))
def test_links_say_again_what_was_sent(pairs: Any, marker: str) -> None:
    without = tuple(pair for pair in pairs if pair[0] != "marker")
    for link, expected in ((first_link(pairs), without), (next_link(pairs, marker), (*without, ("marker", marker)))):
        path, _, query = link.partition("?")
        assert path == "/v2/images"
        assert query.isascii()
        assert read_pairs(query) == expected


@given(pairs)
def test_a_query_string_is_read_as_it_was_encoded(pairs: Any) -> None:
    assert read_pairs(urlencode(pairs)) == pairs
    assert read_pairs(urlencode(pairs, quote_via=quote)) == pairs


@given(pairs)
def test_the_next_page_asks_the_same_from_another_place(pairs: Any) -> None:
    query = outcome(read_query, pairs, RULES, CALLERS["ann"])
    again = outcome(asked, next_link(pairs, ONE).partition("?")[2])
    if isinstance(query, ImageQuery):
        assert again == replace(query, marker=ONE)
    else:
        assert str(again) == str(query)


class TestItems:
    # A backslash before a quote escapes it, so none can stand at the end of a quoted item or before its quotes.
    @given(st.lists(texts.filter(lambda item: "\\" not in item), min_size=1, max_size=4))
    def test_quoted_items_come_back_as_they_were(self, items: list[str]) -> None:
        quoted = ",".join('"' + item.replace('"', '\\"') + '"' for item in items)
        assert split_items("name", quoted) == tuple(items)

    @given(st.lists(st.text("ab\\ :;é", min_size=1), min_size=1, max_size=4))
    def test_plain_items_need_no_quotes(self, items: list[str]) -> None:
        assert split_items("name", ",".join(items)) == tuple(items)

    @given(st.text('a",\\ ', max_size=12))
    def test_any_text_is_items_or_a_bad_request_that_names_the_parameter(self, text: str) -> None:
        items = outcome(split_items, "name", text)
        assert isinstance(items, tuple) or ("'name'" in str(items) and '"' in text)

    @pytest.mark.parametrize(
        ("text", "items"),
        [
            ("", ()),
            (",", ("",)),
            ("a,", ("a",)),
            ("a,,b", ("a", "", "b")),
            ('""', ("",)),
            ('"a,b",c', ("a,b", "c")),
            (' "a"', None),
            ('"a" ,b', None),
            ('"a\\"', None),
            ('"', None),
            (r"a\"b", ('a"b',)),
            (r"a\b", (r"a\b",)),
            (r'"a\b"', (r"a\b",)),
        ],
    )
    def test_the_rules_of_quoting(self, text: str, items: Any) -> None:
        if items is None:
            with pytest.raises(BadRequest):
                split_items("name", text)
        else:
            assert split_items("name", text) == items


class TestTimes:
    @given(times)
    def test_a_time_is_read_as_it_is_written(self, moment: datetime) -> None:
        assert parse_time(moment.isoformat()) == moment
        assert parse_time(moment.strftime("%Y%m%dT%H%M%SZ").rjust(16, "0")) == moment.replace(microsecond=0)

    @given(
        st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),  # noqa: DTZ001 - the zone is put beside it
        st.integers(-14 * 60, 14 * 60),
    )
    def test_a_zone_is_counted(self, moment: datetime, minutes: int) -> None:
        there = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
        assert parse_time(there.isoformat()) == there

    @given(st.text("0123456789-:TZ+., ", max_size=30) | texts)
    def test_any_text_is_a_time_in_utc_or_none(self, text: str) -> None:
        moment = parse_time(text)
        assert moment is None or moment.tzinfo is UTC

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026", "2026-01-01"),
            ("2026-01", "2026-01-01"),
            ("20260128", "2026-01-28"),
            ("2026-1-5", "2026-01-05"),
            ("2026-01-28T12", "2026-01-28T12:00"),
            ("2026-01-28 12:58", "2026-01-28T12:58"),
            ("2026-01-28T1258", "2026-01-28T12:58"),
            ("2026-01-28T12:58:17,5Z", "2026-01-28T12:58:17.500"),
            ("2026-01-28T12:58:17.1234567Z", "2026-01-28T12:58:17.123456"),
            ("2026-01-28T12:58:17+0130", "2026-01-28T11:28:17"),
            ("2026-01-28T12:58:17+01", "2026-01-28T11:58:17"),
        ],
    )
    def test_what_iso_8601_allows_is_read(self, text: str, expected: str) -> None:
        assert parse_time(text) == datetime.fromisoformat(expected).replace(tzinfo=UTC)

    @pytest.mark.parametrize(
        "text",
        ["", "2026-028", "2026-W05-3", "2026-01-28t12:58z", " 2026", "2026-02-30", "12:58", "\uff12\uff10\uff12\uff16"],
    )
    def test_what_glance_refuses_is_refused(self, text: str) -> None:
        assert parse_time(text) is None


class TestFilters:
    @given(st.sampled_from(sorted(WITH_OPERATOR)), texts)
    def test_eq_takes_any_text_as_it_is(self, name: str, value: str) -> None:
        assert read_filter(name, f"eq:{value}") == Filter(name, "eq", value)  # type: ignore[arg-type]

    @given(st.sampled_from(["owner", "checksum", "os_hash_algo", "os_hash_value"]), texts)
    def test_other_texts_have_no_operators(self, name: str, value: str) -> None:
        assert read_filter(name, value) == Filter(name, "eq", value)  # type: ignore[arg-type]

    @given(st.sampled_from(["size", "virtual_size", "min_disk", "min_ram"]), st.integers())
    def test_numbers_and_their_ranges_take_any_integer(self, name: Any, value: int) -> None:
        assert read_filter(name, str(value)) == Filter(name, "eq", value)
        assert read_filter(f"{name}_min", str(value)) == Filter(name, "gte", value)
        assert read_filter(f"{name}_max", str(value)) == Filter(name, "lte", value)

    @given(
        st.sampled_from(["created_at", "updated_at"]),
        st.sampled_from(["eq", "neq", "gt", "gte", "lt", "lte"]),
        times,
    )
    def test_times_take_every_comparison(self, name: Any, operator: Any, moment: datetime) -> None:
        assert read_filter(name, f"{operator}:{moment.isoformat()}") == Filter(name, operator, moment)
        assert read_filter(name, moment.isoformat()) == Filter(name, "eq", moment)

    def test_a_property_the_caller_may_not_read_is_never_matched(self) -> None:
        class Secretive(Protections):
            def may(self, action: Any, name: str, caller: Any) -> bool:
                return (action, name) != ("read", "secret")

        rules = Rules(RULES.policy, Secretive(), RULES.settings)
        never = Filter("id", "in", ())
        assert never in read_query((("secret", "x"), ("os", "linux")), rules, CALLERS["ann"]).filters
        assert never not in read_query((("os", "linux"),), rules, CALLERS["ann"]).filters


class TestOrders:
    orders = st.lists(st.tuples(st.sampled_from(sorted(KEYS)), st.sampled_from(sorted(DIRECTIONS))), min_size=1)

    @given(orders)
    def test_both_ways_of_asking_are_one_order(self, orders: Sequence[tuple[str, str]]) -> None:
        compact = read_order([",".join(f"{key}:{direction}" for key, direction in orders)], [], [])
        keys, directions = zip(*orders, strict=True)
        assert compact == read_order([], keys, directions)
        first = {key: Order(key, direction) for key, direction in reversed(orders)}  # type: ignore[arg-type]
        assert set(compact) >= set(first.values())
        assert len({each.key for each in compact}) == len(compact)

    @given(orders)
    def test_every_order_is_total(self, orders: Sequence[tuple[str, str]]) -> None:
        order = read_order([",".join(f" {key} : {direction} " for key, direction in orders)], [], [])
        assert {"created_at", "id"} <= {each.key for each in order}

    @given(st.text("name:asc,desz ", max_size=20))
    def test_any_text_is_an_order_or_a_bad_request(self, text: str) -> None:
        order = outcome(read_order, [text], [], [])
        assert isinstance(order, tuple) or "sort" in str(order)
