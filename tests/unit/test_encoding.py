"""What the producer sends is what the consumer reads."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.decoders import decode
from feeds import FEEDS
from feeds.core.rows import Row
from producer.encoding import bulk_messages, event_messages
from producer.sources import open_source
from tests.builders import SAMPLES, USER_EVENTS, UserEvent, delivery, write_csv
from warehouse.message import CSV, JSON, Message

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


def received(sent: list[Message]) -> list[Row]:
    """What the consumer makes of the producer's messages."""
    rows = []
    for message in sent:
        _, decoded = decode(
            delivery(
                message.body,
                message.content_type,
                feed=message.feed,
                message_id=message.message_id,
                headers=dict(message.headers),
            ),
            FEEDS,
        )
        rows += decoded
    return rows


@pytest.mark.parametrize("feed", SAMPLE_OF)
def test_however_rows_are_chunked_the_same_events_arrive(feed: str) -> None:
    path = SAMPLES / SAMPLE_OF[feed]
    whole = received(messages(path, feed))
    assert whole == received(messages(path, feed, chunk_rows=7))
    assert len({row.event_id for row in whole}) == len(whole)
    assert len(whole) == sum(message.rows for message in messages(path, feed))


@pytest.mark.parametrize("feed", SAMPLE_OF)
def test_one_message_an_event_has_the_same_ids_as_bulk(feed: str) -> None:
    path = SAMPLES / SAMPLE_OF[feed]
    with open_source(str(path), FEEDS[feed]) as source:
        single = received(list(event_messages(FEEDS[feed], source, 7)))
    bulk = received(messages(path, feed))
    assert [row.event_id for row in single] == [row.event_id for row in bulk]
    assert [row.fields for row in single] == [row.fields for row in bulk]


def test_a_row_without_fields_travels_alone_as_it_came(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", UserEvent(), "only,two\n")
    with open_source(str(path), USER_EVENTS) as source:
        kinds = [m.content_type for m in event_messages(USER_EVENTS, source, 7)]
    assert kinds == [JSON, CSV]


def test_blank_lines_count_as_lines_and_not_as_rows(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", "\n", UserEvent(), "\n", UserEvent(), "\n")
    sent = messages(path, "user_events", chunk_rows=2)
    assert sum(message.rows for message in sent) == 2
    assert [row.line for row in received(sent)] == [3, 5]


def test_a_message_is_closed_when_it_is_long_enough(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", *[UserEvent(username="x" * 100_000)] * 6)
    assert [message.rows for message in messages(path, "user_events")] == [3, 3]


@given(st.integers(0, 40))
def test_a_file_grown_at_its_end_keeps_the_ids_of_its_beginning(size: int) -> None:
    lines = [UserEvent(id=f"user-{n % 3}").line.encode() for n in range(size + 5)]
    header = ",".join(USER_EVENTS.header).encode() + b"\n"

    def ids(count: int) -> list[object]:
        body = header + b"".join(lines[:count])
        _, rows = decode(delivery(body, CSV), FEEDS)
        return [row.event_id for row in rows]

    assert ids(size + 5)[:size] == ids(size)
