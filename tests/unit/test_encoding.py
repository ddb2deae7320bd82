"""What the producer sends is what the consumer reads."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.batch import unpack
from feeds import FEEDS
from producer.encoding import bulk_messages, event_messages, with_manifest
from producer.files import local_fingerprint
from producer.sources import open_source
from tests.builders import (
    SAMPLES,
    USER_EVENTS,
    UserEvent,
    delivery,
    rejects_in,
    rows_in,
    write_csv,
)
from warehouse.message import CSV, FIRST_LINE, JSON, MANIFEST, Manifest, Message

SAMPLE_OF = {
    "user_events": "user_events.csv",
    "activity": "activity.csv",
    "transactions": "transaction.csv",
    "web_users": "users.csv",
    "user_interactions": "user_interaction.csv",
    "article_events": "lake/2019-02-15.tsv",
}


def messages(path: Path, feed: str, *, chunk_rows: int = 1000) -> list[Message]:
    with open_source(str(path), FEEDS[feed]) as source:
        return list(bulk_messages(FEEDS[feed], source, 7, chunk_rows))


def received(sent: list[Message]) -> dict[bytes, object]:
    """What the consumer makes of the producer's messages: every event by its id."""
    found: dict[bytes, object] = {}
    for message in sent:
        parcel = unpack(
            delivery(
                message.body,
                message.content_type,
                feed=message.feed,
                message_id=message.message_id,
                headers=dict(message.headers),
            ),
            FEEDS,
        )
        assert parcel.rows == message.rows
        found |= rows_in(parcel)
        found |= {event_id: reason for _, event_id, _, reason, _ in rejects_in(parcel)}
    return found


@pytest.mark.parametrize("feed", SAMPLE_OF)
def test_however_rows_are_chunked_the_same_events_arrive(feed: str) -> None:
    path = SAMPLES / SAMPLE_OF[feed]
    whole = received(messages(path, feed))
    assert whole == received(messages(path, feed, chunk_rows=7))
    assert len(whole) == sum(message.rows for message in messages(path, feed))


@pytest.mark.parametrize("feed", SAMPLE_OF)
def test_one_message_an_event_has_the_same_ids_as_bulk(feed: str) -> None:
    path = SAMPLES / SAMPLE_OF[feed]
    with open_source(str(path), FEEDS[feed]) as source:
        single = received(list(event_messages(FEEDS[feed], source, 7)))
    assert single == received(messages(path, feed))


def test_a_row_without_fields_travels_alone_as_it_came(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", UserEvent(), "only,two\n")
    with open_source(str(path), USER_EVENTS) as source:
        kinds = [m.content_type for m in event_messages(USER_EVENTS, source, 7)]
    assert kinds == [JSON, CSV]


def test_blank_lines_count_as_lines_and_not_as_rows(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", "\n", UserEvent(), "\n", UserEvent(), "\n")
    sent = messages(path, "user_events", chunk_rows=2)
    assert sum(message.rows for message in sent) == 2
    assert [m.headers[FIRST_LINE] for m in sent] == [2, 4, 6]
    assert len(received(sent)) == 2


def test_a_message_is_closed_when_it_is_long_enough(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", *[UserEvent(username="x" * 200_000)] * 12)
    assert [message.rows for message in messages(path, "user_events")] == [5, 5, 2]


def test_a_message_never_ends_inside_a_record(tmp_path: Path) -> None:
    events = [UserEvent(id=str(n), username="one\ntwo\nthree") for n in range(10)]
    path = write_csv(tmp_path / "a.csv", *events)
    sent = messages(path, "user_events", chunk_rows=4)
    assert [message.rows for message in sent] == [2, 2, 2, 2, 2]
    assert len(received(sent)) == 10


def test_a_manifest_says_what_was_sent(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", UserEvent(), "\n", UserEvent(username="x\ny"))
    with open_source(str(path), USER_EVENTS) as source:
        sent = bulk_messages(USER_EVENTS, source, 7, 1)
        *_, last = with_manifest(USER_EVENTS, source, 7, sent)
    assert last.content_type == MANIFEST and last.rows == 0
    manifest = Manifest.model_validate_json(last.body)
    mark = local_fingerprint(path.stat())
    assert manifest == Manifest(n_messages=3, n_rows=2, last_line=5, fingerprint=mark)


@given(st.integers(0, 40))
def test_a_file_grown_at_its_end_keeps_the_ids_of_its_beginning(size: int) -> None:
    lines = [UserEvent(id=f"user-{n % 3}").line.encode() for n in range(size + 5)]
    header = ",".join(USER_EVENTS.header).encode() + b"\n"

    def ids(count: int) -> set[bytes]:
        body = header + b"".join(lines[:count])
        return set(rows_in(unpack(delivery(body, CSV), FEEDS)))

    assert len(ids(size)) == size and ids(size) <= ids(size + 5)
