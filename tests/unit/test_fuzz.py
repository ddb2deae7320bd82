"""No body, header or content type breaks the decoders: every message has a fate, and says why."""

import json

from hypothesis import given
from hypothesis import strategies as st

from consumer.batch import unpack, unpack_all
from consumer.letters import UNDECODABLE
from feeds import FEEDS
from tests.builders import USER_EVENTS, UserEvent
from warehouse.message import (
    CLOUDEVENT,
    CLOUDEVENTS,
    CSV,
    DEAD_LETTERS,
    EVENT_ID,
    FIRST_LINE,
    IMPORTED_AT,
    JSON,
    MALFORMED,
    MANIFEST,
    NDJSON,
    ROWS,
    SOURCE,
    Delivery,
)

QUEUED = [name for name, feed in FEEDS.items() if feed.queued]
GOOD = UserEvent().line
EVENT = {"id": "z", "event_type": "User Created", "received_at": "2020-12-06 10:00:00"}
SEEDS = [
    ",".join(USER_EVENTS.header) + "\n" + GOOD * 40,
    ",".join(USER_EVENTS.header) + "\n" + GOOD.strip(),
    json.dumps(EVENT),
    json.dumps(EVENT) + "\n" + json.dumps(EVENT),
    json.dumps({"specversion": "1.0", "id": "1", "source": "/x", "type": "y", "data": EVENT}),
    json.dumps([{"id": "1", "source": "/x", "data": EVENT}]),
    '{"n_messages": 1, "n_rows": 1, "last_line": 1}',
]
PIECE = st.sampled_from(
    [b"", b"\x00", b"\xff", b'"', b",", b"\n", b"\r", b"[", b"{", b"\xed\xa0\x80"]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good body with some bytes exchanged."""
    body = draw(st.sampled_from(SEEDS)).encode()
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 20)))
        body = body[:start] + draw(PIECE | st.binary(max_size=8)) + body[end:]
    return body


BODIES = st.binary(max_size=200) | mutated() | st.text(max_size=100).map(str.encode)
CONTENT_TYPES = (
    st.none()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            JSON,
            CSV,
            NDJSON,
            CLOUDEVENT,
            CLOUDEVENTS,
            MANIFEST,
            "text/csv; charset=utf-8",
            "text/csv;;",
        ]
    )
)
HEADER_NAMES = st.text(max_size=5) | st.sampled_from(
    [
        SOURCE,
        FIRST_LINE,
        IMPORTED_AT,
        MALFORMED,
        EVENT_ID,
        ROWS,
        "x-delivery-count",
        "x-first-death-queue",
        "ce-id",
        "ce-source",
        "cloudEvents:id",
    ]
)
HEADER_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)
DELIVERIES = st.builds(
    Delivery,
    channel=st.just(1),
    tag=st.integers(1, 2**31),
    content_type=CONTENT_TYPES,
    body=BODIES,
    headers=st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=3),
    feed=st.sampled_from([*QUEUED, "nobody", DEAD_LETTERS]),
    message_id=st.none() | st.text(max_size=40) | st.uuids().map(str),
)


@given(DELIVERIES)
def test_every_message_has_a_fate(delivery: Delivery) -> None:
    parcel = unpack(delivery, FEEDS)
    if parcel.letter is not None:
        assert parcel.letter.error
        assert delivery.feed == DEAD_LETTERS or parcel.letter.code == UNDECODABLE
        assert parcel.rows == 0
    elif parcel.manifest is None and delivery.content_type == JSON:
        assert parcel.rows == 1
    assert all(reject.reason for reject in parcel.rejected)
    assert parcel.claimed_rows >= 0 and delivery.first_line > 0


@given(st.lists(DELIVERIES, max_size=20))
def test_every_message_of_a_batch_has_its_place(deliveries: list[Delivery]) -> None:
    parcels = unpack_all(deliveries, FEEDS)
    placed = [id(delivery) for parcel in parcels for delivery in parcel.deliveries]
    assert sorted(placed) == sorted(map(id, deliveries))
