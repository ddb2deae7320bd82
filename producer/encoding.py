"""Records become messages: many rows in one, or one event in each."""

from collections.abc import Iterator

from feeds.core.declaration import Feed
from feeds.core.records import Record
from feeds.core.rows import Row, read_json, read_records, time_ordered_id, to_json
from producer.sources import Source
from warehouse.errors import SourceError
from warehouse.message import CSV, FIRST_LINE, IMPORTED_AT, JSON, SOURCE, Message

CHUNK_BYTES = 256 * 1024  # a bulk message is closed when it is this long


def bulk_messages(
    feed: Feed, source: Source, imported_at: int, chunk_rows: int
) -> Iterator[Message]:
    """The records as they came, in chunks of up to ``chunk_rows`` under a copy of the header.

    A chunk holds consecutive lines, so that its first line number gives all the others. The
    borders depend on nothing but the file: the same file makes the same messages.
    """
    chunk: list[Record] = []
    size = 0
    broken: SourceError | None = None
    try:
        for record in source.records:
            chunk.append(record)
            size += len(record.raw)
            if len(chunk) >= chunk_rows or size >= CHUNK_BYTES:
                yield _bulk_message(feed, source, imported_at, chunk)
                chunk, size = [], 0
    except SourceError as error:  # what was read before the file broke off is good
        broken = error
    if chunk:
        yield _bulk_message(feed, source, imported_at, chunk)
    if broken is not None:
        raise broken


def event_messages(feed: Feed, source: Source, imported_at: int) -> Iterator[Message]:
    """One message an event, as JSON; a row that has no fields travels as it came."""
    for record in source.records:
        if not record.raw.strip():
            continue
        row = _read(feed, source, record)
        if row.malformed is not None:
            yield _bulk_message(feed, source, imported_at, [record])
            continue
        headers = _headers(source, imported_at, record.line)
        yield Message(feed.name, str(row.event_id), JSON, to_json(row.fields), headers)


def _read(feed: Feed, source: Source, record: Record) -> Row:
    if source.content_type == CSV:
        return next(read_records(feed, source.columns, [record]))
    return read_json(feed, record.line, record.raw)


def _bulk_message(feed: Feed, source: Source, imported_at: int, chunk: list[Record]) -> Message:
    head = [source.header] if source.header else []
    body = b"\n".join([*head, *(record.raw for record in chunk)])
    content = b"%s\0%d\0%s" % (feed.name.encode(), chunk[0].line, body)
    return Message(
        feed.name,
        str(time_ordered_id(0, content)),
        source.content_type,
        body,
        _headers(source, imported_at, chunk[0].line),
        rows=sum(1 for record in chunk if record.raw.strip()),
    )


def _headers(source: Source, imported_at: int, line: int) -> dict[str, str | int]:
    return {SOURCE: source.name, IMPORTED_AT: imported_at, FIRST_LINE: line}
