"""Replay: publish again, after a fix, what was rejected or died; each event keeps its id."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import groupby
from operator import itemgetter
from typing import Any

from feeds import FEEDS
from warehouse.message import (
    CSV,
    EVENT_ID,
    FIRST_LINE,
    IMPORTED_AT,
    JSON,
    REPLAY,
    SOURCE,
    Message,
    is_csv,
    new_receipts_queue,
)
from warehouse.outbox import Outbox
from warehouse.postgres import INGEST, Cursor, connect, find_keys
from warehouse.queries import query
from warehouse.rabbitmq import Link
from warehouse.settings import Settings

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_WINDOW = 500  # messages that may be on their way at once
_OURS = (SOURCE, FIRST_LINE, IMPORTED_AT)


@dataclass(frozen=True)
class Choice:
    """Which of what was set aside; None chooses all."""

    feed: str | None = None
    code: str | None = None
    since: datetime | None = None  # rejected or died last at or after this instant


def replay(settings: Settings, choice: Choice, *, dry_run: bool) -> str:
    """Publish the choice again and wait for its fate; a sentence that says what became of it.

    Replaying twice stores once. What is rejected again stays set aside, with one attempt more.

    Raises:
        BrokerUnavailable: RabbitMQ was away for too long; what was sent is safe.
    """
    started_at = datetime.now(timezone.utc)
    with connect(settings.database_url, "event-replay", INGEST) as connection:
        with connection, connection.cursor() as cursor:
            rows = _choose(cursor, "raw/choose_rejects", choice)
            letters = _choose(cursor, "raw/choose_letters", choice)
        said = f"replay: {len(rows):,} rows and {len(letters):,} messages"
        if dry_run or not rows + letters:
            return f"{said} {'would be' if dry_run else 'to be'} published again"
        messages = [*map(_message_of_row, rows), *map(_message_of_letter, letters)]
        _publish(settings, messages)
        with connection, connection.cursor() as cursor:
            stored = _resolve_rows(cursor, rows)
            revived = _resolve_letters(cursor, letters, started_at)
    return (
        f"{said} published again: {stored:,} rows are stored now, {len(rows) - stored:,} were "
        f"rejected again; {revived:,} messages were handled, {len(letters) - revived:,} died again"
    )


def _choose(cursor: Cursor, name: str, choice: Choice) -> list[dict[str, Any]]:
    cursor.execute(query(name), {"feed": choice.feed, "code": choice.code, "since": choice.since})
    names = [column.name for column in cursor.description or ()]
    found = [dict(zip(names, row)) for row in cursor]
    return [row for row in found if row["feed"] in FEEDS]  # of others there is no queue


def _message_of_row(row: Mapping[str, Any]) -> Message:
    headers: dict[str, str | int] = {
        FIRST_LINE: row["line"],
        IMPORTED_AT: (row["imported_at"] - _EPOCH) // timedelta(microseconds=1),
        REPLAY: 1,
        **({SOURCE: row["source"]} if row["source"] else {}),
    }
    body = bytes(row["body"])
    if is_csv(row["content_type"]):
        headers[EVENT_ID] = row["event_id"]
        body = row["header"].encode() + b"\n" + body
    content_type = CSV if is_csv(row["content_type"]) else JSON
    return Message(row["feed"], row["event_id"], content_type, body, headers)


def _message_of_letter(letter: Mapping[str, Any]) -> Message:
    headers = {name: letter["headers"][name] for name in _OURS if name in letter["headers"]}
    return Message(
        letter["feed"],
        letter["message_id"] or letter["letter_id"],
        letter["content_type"] or "",
        bytes(letter["body"]),
        {**headers, REPLAY: 1},
    )


def _publish(settings: Settings, messages: Sequence[Message]) -> None:
    receipts = new_receipts_queue()
    feeds = [name for name, feed in FEEDS.items() if feed.queued]
    with Link(str(settings.rabbitmq_url), "event-replay", feeds, receipts=receipts) as link:
        outbox = Outbox(link, window=_WINDOW, patience=settings.patience_seconds, receipts=receipts)
        for message in messages:
            outbox.send(message)
        outbox.drain()


def _resolve_rows(cursor: Cursor, rows: Sequence[Mapping[str, Any]]) -> int:
    found: list[str] = []
    for feed, of_feed in _by_feed(rows):
        ids = [row["event_id"] for row in of_feed]
        found += find_keys(cursor, FEEDS[feed].table, "event_id", ids)
    cursor.execute(query("raw/resolve_rejects"), {"ids": found})
    return len(found)


def _by_feed(
    rows: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[str, Iterator[Mapping[str, Any]]]]:
    return groupby(rows, itemgetter("feed"))


def _resolve_letters(
    cursor: Cursor, letters: Sequence[Mapping[str, Any]], started_at: datetime
) -> int:
    ids = [letter["letter_id"] for letter in letters]
    cursor.execute(query("raw/resolve_letters"), {"ids": ids, "started_at": started_at})
    return cursor.rowcount
