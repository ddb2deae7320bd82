"""Bodies of every content type, and those that nobody can read."""

import json
from datetime import datetime, timezone
from uuid import UUID

import pytest

from consumer.batch import unpack
from consumer.decoders import UndecodableMessage
from consumer.decoders import decode as decode_at
from feeds import FEEDS
from feeds.core.rows import Row
from tests.builders import USER_EVENTS, UserEvent, delivery, lines_in, rows_in
from warehouse.message import (
    CLOUDEVENT,
    CLOUDEVENTS,
    CSV,
    EVENT_ID,
    IMPORTED_AT,
    JSON,
    MANIFEST,
    NDJSON,
    SOURCE,
    Delivery,
)

EVENT = {"id": "zeus", "event_type": "User Created", "received_at": "2020-12-06 10:00:00"}
ENVELOPE = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "user", "data": EVENT}
NOW = datetime.now(timezone.utc)
HEADER = ",".join(USER_EVENTS.header)


def decode(message: Delivery) -> list[Row]:
    """The rows of a message."""
    return decode_at(message, FEEDS, NOW).rows


def test_one_json_event_has_the_id_of_its_message() -> None:
    number = UUID("01763a14-9797-8629-ba30-48cad689cde2")
    (row,) = decode(delivery(json.dumps(EVENT), message_id=str(number)))
    assert row.event_id == number and row.fields == EVENT


def test_a_publishers_own_kind_of_id_counts_too() -> None:
    ids = [
        decode(delivery(body, message_id=message_id))[0].event_id
        for body, message_id in (("{}", "order-1"), ('{"id": "other"}', "order-1"), ("{}", "2"))
    ]
    assert ids[0] == ids[1] != ids[2]


def test_an_event_without_an_id_is_identified_by_its_content() -> None:
    one, same, other = (
        decode(delivery(json.dumps(EVENT | change)))[0].event_id
        for change in ({}, {}, {"plan_name": "Free"})
    )
    assert one == same != other


def test_json_lines_number_their_rows_and_reject_one_by_one() -> None:
    body = json.dumps(EVENT) + "\n\n{broken\n" + json.dumps(EVENT)
    parcel = unpack(delivery(body, NDJSON, headers={"first-line": 10}), FEEDS)
    assert lines_in(parcel) == [10, 13]
    assert [r.row.line for r in parcel.rejected] == [12]


def test_a_cloudevent_is_known_by_source_and_id() -> None:
    again = ENVELOPE | {"time": "2020-12-07T00:00:00Z"}
    other = ENVELOPE | {"source": "/app"}
    ids = [
        decode(delivery(json.dumps(envelope), CLOUDEVENT))[0].event_id
        for envelope in (ENVELOPE, again, other)
    ]
    assert ids[0] == ids[1] != ids[2]


def test_a_batch_of_cloudevents_is_many_rows() -> None:
    body = json.dumps([ENVELOPE, ENVELOPE | {"id": "2", "data": {"id": "no type"}}])
    parcel = unpack(delivery(body, CLOUDEVENTS), FEEDS)
    assert (len(rows_in(parcel)), len(parcel.rejected)) == (1, 1)
    assert parcel.rejected[0].row.line == 2


@pytest.mark.parametrize(
    ("body", "content_type", "feed", "reason"),
    [
        ("{}", None, "user_events", "unknown content type None"),
        ("{}", "application/xml", "user_events", "unknown content type 'application/xml'"),
        ("{}", JSON, "nobody", "unknown feed 'nobody'"),
        ("{}", JSON, "organizations", "unknown feed 'organizations'"),
        ("{", JSON, "user_events", "not JSON"),
        ("[]", JSON, "user_events", "not a JSON object"),
        ("{}", JSON + "; charset=latin-1", "user_events", "charset 'latin-1'"),
        ("id,name\n", CSV, "user_events", "is missing"),
        ("", CSV, "user_events", "no header of user_events"),
        ("{", CLOUDEVENT, "user_events", "not JSON"),
        ('{"id": "1"}', CLOUDEVENT, "user_events", "a CloudEvent has"),
        ('{"id": 1, "source": "/x", "data": {}}', CLOUDEVENT, "user_events", "id and source"),
        ('{"id": "1", "source": "", "data": {}}', CLOUDEVENT, "user_events", "id and source"),
        ("{}", CLOUDEVENTS, "user_events", "a JSON array"),
        ("{}", MANIFEST, "user_events", "no manifest of an import"),
    ],
)
def test_what_nobody_can_read_says_why(
    body: str, content_type: str | None, feed: str, reason: str
) -> None:
    message = delivery(body, content_type, feed=feed)
    with pytest.raises(UndecodableMessage, match=reason):
        decode(message)
    letter = unpack(message, FEEDS).letter
    assert letter is not None and reason in letter.error


def test_a_replayed_event_keeps_an_id_that_is_one() -> None:
    body = f"{HEADER}\n{UserEvent().line}"
    with pytest.raises(UndecodableMessage, match="no UUID"):
        decode(delivery(body, CSV, headers={EVENT_ID: "zeus"}))


def test_a_content_type_may_name_its_charset() -> None:
    assert decode(delivery(json.dumps(EVENT), "Application/JSON; charset=UTF-8"))


def test_a_parcel_knows_where_its_rows_came_from() -> None:
    headers: dict[str, object] = {SOURCE: "a.csv", IMPORTED_AT: 1_600_000_000_000_001}
    body = f"{HEADER}\n{UserEvent().line}only,two\n"
    parcel = unpack(delivery(body, CSV, headers=headers), FEEDS)
    assert parcel.source == "a.csv" and parcel.rows == 2
    assert parcel.imported_at.isoformat() == "2020-09-13T12:26:40.000001+00:00"


@pytest.mark.parametrize("value", [None, "yesterday", 10**30])
def test_a_message_without_the_instant_of_its_import_came_now(value: object) -> None:
    headers: dict[str, object] = {} if value is None else {IMPORTED_AT: value}
    assert unpack(delivery(json.dumps(EVENT), headers=headers), FEEDS).imported_at.year > 2020


def test_a_charset_may_be_written_as_rfc_2231_does() -> None:
    (row,) = decode(delivery(json.dumps(EVENT), "application/json; charset*=us-ascii''UTF-8"))
    assert row.fields == EVENT
    with pytest.raises(UndecodableMessage, match="charset 'latin-1'"):
        decode(delivery(json.dumps(EVENT), "application/json; charset*=us-ascii''latin-1"))
