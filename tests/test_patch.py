"""The patch parser: both dialects, any document, any pointer (reference section 5)."""

from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.image_names import LINKS, READ_ONLY, SETTABLE
from service.patch import Change, parse_patch, parse_pointer
from service.refusals import BadRequest, Forbidden
from service.schemas import OperatorSchema, image_schema
from service.settings import Settings
from service.validation import ImageSchema

SCHEMA = ImageSchema(image_schema(Settings(), OperatorSchema()))
NO_PROPERTIES = SETTABLE | READ_ONLY | LINKS | {"locations"}
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20).filter(
    lambda name: name == name.strip() and not name.startswith("os_glance") and name not in NO_PROPERTIES
)


@given(st.lists(st.tuples(st.sampled_from(["add", "replace", "remove"]), NAMES, st.text(max_size=9)), max_size=6))
def test_both_dialects_say_the_same_of_any_property(changes: list[tuple[Any, str, str]]) -> None:
    pointers = ["/" + name.replace("~", "~0").replace("/", "~1") for _, name, _ in changes]
    newer = [{"op": verb, "path": p, "value": v} for (verb, _, v), p in zip(changes, pointers, strict=True)]
    older = [{verb: p, "value": v} for (verb, _, v), p in zip(changes, pointers, strict=True)]
    try:
        parsed = parse_patch(newer, "draft 10", SCHEMA)
    except Forbidden:
        return  # `location`, `deleted` and `deleted_at` are nobody's to set
    assert parsed == parse_patch(older, "draft 4", SCHEMA)
    assert parsed == [Change(*change) for change in changes]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["op", "path", "value", "add", "remove", "replace"]), inner, max_size=4)
    ),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(JSON, st.sampled_from(["draft 4", "draft 10"]))
def test_any_document_is_a_patch_or_a_clear_refusal(document: Any, dialect: Any) -> None:
    with suppress(BadRequest, Forbidden):
        assert len(parse_patch(document, dialect, SCHEMA)) == len(document)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_any_pointer_round_trips(segments: list[str]) -> None:
    pointer = "".join("/" + segment.replace("~", "~0").replace("/", "~1") for segment in segments)
    assert parse_pointer(pointer, "It") == segments
