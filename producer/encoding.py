"""Records become messages: many rows in one, or one event in each."""

from collections.abc import Iterator

from feeds.core.declaration import Feed
from feeds.core.records import Record, split_records
from feeds.core.rows import Row, read_json, read_records, time_ordered_id, to_json
from producer.sources import Chunk, Source
from warehouse.errors import SourceError
from warehouse.message import (
    CSV,
    FIRST_LINE,
    IMPORTED_AT,
    JSON,
    MALFORMED,
    MANIFEST,
    ROWS,
    SOURCE,
    Manifest,
    Message,
    lines_in,
)


def bulk_messages(
    feed: Feed, source: Source, imported_at: int, chunk_rows: int
) -> Iterator[Message]:
    """The lines as they came, up to ``chunk_rows`` of them and a record, under the header.

    A message holds consecutive lines, so that its first line number gives all the others.
    """
    for chunk in source.chunks:
        inner = frozenset(chunk.inner)
        start = 0
        while start < len(chunk.lines):
            end = min(start + chunk_rows, len(chunk.lines))
            while end in inner:
                end += 1
            part = Chunk(
                chunk.first_line + start,
                chunk.lines[start:end],
                [index - start for index in chunk.inner if start < index < end],
                chunk.malformed,
            )
            yield _bulk_message(feed, source, imported_at, part)
            start = end


def with_manifest(
    feed: Feed, source: Source, imported_at: int, messages: Iterator[Message]
) -> Iterator[Message]:
    """The same messages, and at last one that says how many they were, for audits."""
    count, rows = 0, 0
    message: Message | None = None
    broken: SourceError | None = None
    try:
        for message in messages:
            count, rows = count + 1, rows + message.rows
            yield message
    except SourceError as error:
        broken = error
    line = int(message.headers[FIRST_LINE]) + lines_in(message) - 1 if message else 0
    manifest = Manifest(
        n_messages=count,
        n_rows=rows,
        last_line=line,
        error=str(broken) if broken else None,
        fingerprint=source.fingerprint,
    )
    yield Message(
        feed.name,
        str(time_ordered_id(0, b"manifest\0%d" % imported_at)),
        MANIFEST,
        manifest.model_dump_json().encode(),
        _headers(source, imported_at, line),
        rows=0,
    )
    if broken is not None:
        raise broken


def event_messages(feed: Feed, source: Source, imported_at: int) -> Iterator[Message]:
    """One message an event, as JSON; a row that has no fields travels as it came."""
    for chunk in source.chunks:
        for record in _records(feed, source, chunk):
            if not record.raw.strip():
                continue
            row = None if chunk.malformed else _read(feed, source, record)
            if row is None or row.malformed is not None:
                alone = Chunk(record.line, [record.raw], (), chunk.malformed)
                yield _bulk_message(feed, source, imported_at, alone)
                continue
            headers = _headers(source, imported_at, record.line)
            yield Message(feed.name, str(row.event_id), JSON, to_json(row.fields), headers)


def _records(feed: Feed, source: Source, chunk: Chunk) -> Iterator[Record]:
    if source.content_type == CSV:
        return split_records(chunk.lines, feed.dialect, len(source.columns), chunk.first_line)
    return (Record(n, raw.rstrip(b"\r")) for n, raw in enumerate(chunk.lines, chunk.first_line))


def _read(feed: Feed, source: Source, record: Record) -> Row:
    if source.content_type == CSV:
        return next(read_records(feed, source.columns, [record]))
    return read_json(feed, record.line, record.raw)


def _bulk_message(feed: Feed, source: Source, imported_at: int, chunk: Chunk) -> Message:
    head = [source.header] if source.header else []
    body = b"\n".join([*head, *chunk.lines])
    headers = _headers(source, imported_at, chunk.first_line)
    if chunk.malformed is not None:
        headers[MALFORMED] = chunk.malformed
    rows = headers[ROWS] = _count_rows(chunk)
    content = b"%s\0%d\0%s" % (feed.name.encode(), chunk.first_line, body)
    return Message(
        feed.name,
        str(time_ordered_id(0, content)),
        source.content_type,
        body,
        headers,
        rows=rows,
    )


def _count_rows(chunk: Chunk) -> int:
    """How many records are not blank."""
    lines = chunk.lines
    if chunk.inner:
        inner = frozenset(chunk.inner)
        lines = [line for index, line in enumerate(lines) if index not in inner]
    return sum(map(bool, map(bytes.strip, lines)))


def _headers(source: Source, imported_at: int, line: int) -> dict[str, str | int]:
    return {SOURCE: source.name, IMPORTED_AT: imported_at, FIRST_LINE: line}
