"""A row that cannot be read, judged or written costs itself; its neighbours are stored."""

import json
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator

from consumer.batch import Parcel, unpack
from consumer.decoders import MOST_ROWS
from feeds import FEEDS
from feeds.core.declaration import EventModel, Feed, UnsupportedType
from feeds.core.types import LONG_NUMBER, Integer, JsonObject, Text
from tests.builders import delivery, rejects_in
from warehouse.message import CLOUDEVENTS, CSV, JSON, NDJSON

LONG = "1" * 5000
GOOD = '{"id": "%s", "event_type": "User Created", "received_at": "2020-12-06 10:00:00"}'
ODD_VALUES = [
    LONG,
    "-" + LONG,
    "1e999",
    "NaN",
    "[" * 5000 + "]" * 5000,
    '"\\ud800"',
    '"\\u0000"',
    "{}",
    "true",
    "null",
]


def envelope(event_id: str, data: str) -> str:
    return '{"id": "%s", "source": "/shop", "data": %s}' % (event_id, data)


def batch_of(*elements: str) -> Parcel:
    return unpack(delivery(f"[{', '.join(elements)}]", CLOUDEVENTS), FEEDS)


@pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda odd: odd[:10])
def test_one_odd_value_costs_its_row(odd: str) -> None:
    bad = '{"id": %s, "event_type": "User Created", "received_at": "2020-12-06 10:00:00"}' % odd
    lines = unpack(delivery("\n".join([GOOD % "a", bad, GOOD % "b"]), NDJSON), FEEDS)
    events = batch_of(envelope("1", GOOD % "a"), envelope("2", bad), envelope("3", GOOD % "b"))
    for parcel, line in ((lines, 2), (events, 2)):
        assert parcel.letter is None
        assert sum(map(len, parcel.blocks)) == 2
        assert [reject[0] for reject in rejects_in(parcel)] == [line]
        assert all(reject[3] for reject in rejects_in(parcel))


def test_the_reason_for_a_long_number_is_said_in_words() -> None:
    parcel = unpack(delivery('{"id": %s}\n' % LONG, NDJSON), FEEDS)
    assert [r.reason for r in parcel.rejected] == [f"not JSON that can be read: {LONG_NUMBER}"]
    assert "4,300 digits" in LONG_NUMBER


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ('{"data": {}}', "a CloudEvent has an id"),
        ("17", "a CloudEvent has an id"),
        ('{"id": 1, "source": "/x", "data": {}}', "are texts"),
        ('{"id": "broken" "source"}', "not JSON"),
        ('{"id": "x", "source": "/s", "data": {"id": "],[,\\""}}', "Field required"),
    ],
)
def test_one_bad_element_of_a_batch_costs_itself(element: str, reason: str) -> None:
    parcel = batch_of(envelope("1", GOOD % "a"), element, envelope("3", GOOD % "b"))
    assert sum(map(len, parcel.blocks)) == 2
    ((line, _, _, said, _),) = rejects_in(parcel)
    assert line == 2 and reason in said


@pytest.mark.parametrize(
    "body", ["", "[", "{}", "[1", "[]]", "[] []", '["' + '\\"' * 50_000, "x[]"]
)
def test_what_is_no_array_is_a_dead_letter(body: str) -> None:
    parcel = unpack(delivery(body, CLOUDEVENTS), FEEDS)
    assert parcel.letter is not None
    assert parcel.letter.error == "a CloudEvents batch is a JSON array"


def test_an_empty_batch_has_no_rows() -> None:
    assert batch_of().rows == 0 and batch_of().letter is None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.lists(JSON_VALUES, max_size=5), st.sampled_from([None, 1]))
def test_every_element_of_an_array_has_its_row(values: list[Any], indent: int | None) -> None:
    body = json.dumps(values, indent=indent, ensure_ascii=False)
    parcel = unpack(delivery(body, CLOUDEVENTS), FEEDS)
    assert parcel.rows == len(values)
    for reject in rejects_in(parcel):
        assert json.loads(reject[4]) == values[reject[0] - 1]


class Odd(EventModel):
    """An event of which one value passes the model and cannot be written."""

    id: Text
    number: int  # not bounded, as Integer is
    more: JsonObject | None = None


ODD = Feed(name="odd", model=Odd, event_time=None)


def test_a_value_that_cannot_be_written_costs_its_row() -> None:
    numbers = [1, 2**70, 3, -(2**63) - 1, 5]
    body = "\n".join(json.dumps({"id": str(n), "number": n}) for n in numbers)
    parcel = unpack(delivery(body, NDJSON, feed="odd"), {"odd": ODD})
    assert sum(map(len, parcel.blocks)) == 3
    assert [(r.row.line, r.code) for r in parcel.rejected] == [(2, "defect"), (4, "defect")]


def _broken(value: str) -> str:
    return {"known": value}[value]


class Breaking(EventModel):
    """An event whose validator has a defect."""

    id: Annotated[str, AfterValidator(_broken)]


def test_a_validator_that_fails_costs_the_rows_it_meets() -> None:
    feed = Feed(name="breaking", model=Breaking, event_time=None)
    body = '{"id": "known"}\n{"id": "other"}'
    parcel = unpack(delivery(body, NDJSON, feed="breaking"), {"breaking": feed})
    assert sum(map(len, parcel.blocks)) == 1
    assert [r.reason for r in parcel.rejected] == ["the model failed: KeyError"]


class Colour(Enum):
    """No text."""

    RED = 1


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Decimal, "Decimal"),
        (Decimal | None, "Decimal"),
        (float, "float"),
        (bool, "bool"),
        (bytes, "bytes"),
        (list[str], "list"),
        (str | int, "str | int"),
        (Colour, "Colour"),
        (Literal[1, 2], "Literal"),
        (Annotated[Decimal, "narrowed"], "Decimal"),
    ],
    ids=str,
)
def test_a_type_that_is_not_supported_is_refused_when_the_feed_is_declared(
    kind: Any, name: str
) -> None:
    model = type("Priced", (EventModel,), {"__annotations__": {"id": Text, "price": kind}})
    with pytest.raises(UnsupportedType, match="feed prices, column price") as refused:
        Feed(name="prices", model=model, event_time=None)
    assert name in str(refused.value) and "str, int, date, datetime, dict" in str(refused.value)


@pytest.mark.parametrize("kind", [Text, Integer | None, Literal["a", "b"] | None, JsonObject])
def test_what_a_raw_table_can_have_is_accepted(kind: Any) -> None:
    model = type("Fine", (EventModel,), {"__annotations__": {"id": kind}})
    assert Feed(name="fine", model=model, event_time=None).columns == ("id",)


def test_a_single_event_that_cannot_be_read_is_one_dead_letter() -> None:
    parcel = unpack(delivery('{"id": %s}' % LONG, JSON), FEEDS)
    assert parcel.letter is not None and LONG_NUMBER in parcel.letter.error


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("1\n" * (MOST_ROWS + 1), NDJSON),
        (f"[{'1,' * MOST_ROWS}1]", CLOUDEVENTS),
        ("\n" * 10**6, CSV),
    ],
    ids=["lines", "elements", "csv"],
)
def test_a_message_of_too_many_rows_is_one_dead_letter(body: str, content_type: str) -> None:
    parcel = unpack(delivery(body, content_type), FEEDS)
    assert parcel.letter is not None and "publish it in parts" in parcel.letter.error
