"""Which rows do not keep their feed's contract, and why: engines count them, the model explains.

An engine sets a row aside by a condition in SQL; what is wrong, only the feed's model says. So the
files are read once more, by Python, where there is something to explain, and most lines pass
by a pattern that only good ones match.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, get_type_hints

from etls.aggregates.sources import UNREADABLE, Layout, Sources, open_bytes, unreadable
from feeds.core.declaration import Feed
from feeds.core.records import Record, split_records, whole_records
from feeds.core.rows import Rejected, read_records, validate
from feeds.core.types import CalendarDate, HexId, Integer, Text

_LINES_AT_ONCE = 20_000
_SURELY: list[tuple[Any, bytes]] = [
    (CalendarDate, rb"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"),
    (HexId, rb"[0-9a-fA-F]{24}"),
    (Integer, rb"[+-]?\d{1,18}"),
    (Text, rb"[0-9A-Za-z _.-]+"),
]


@dataclass(frozen=True)
class BadRow:
    """A row that does not keep the contract."""

    path: str
    rejected: Rejected

    def __str__(self) -> str:
        return f"{self.path}, line {self.rejected.row.line}: {self.rejected.reason}"


def bad_rows(sources: Sources) -> Iterator[BadRow]:
    """The rows of delimited files that do not keep the contract, in the order of the files."""
    for layout, paths in sources.texts.items():
        feed = sources.aggregate.feed
        feed = replace(feed, dialect=replace(feed.dialect, delimiter=layout.delimiter))
        pattern = _pattern(feed, layout)
        for path in paths:
            records = (r for r in _records(path, feed) if not pattern.fullmatch(r.raw))
            for row in read_records(feed, layout.header, records):
                verdict = validate(feed, row)
                if isinstance(verdict, Rejected):
                    yield BadRow(path, verdict)


def _pattern(feed: Feed, layout: Layout) -> re.Pattern[bytes]:
    hints = get_type_hints(feed.model, include_extras=True)
    types = dict(zip(feed.header, (hints[column] for column in feed.columns)))
    parts = [
        next(pattern for known, pattern in _SURELY if known == types[name])
        for name in layout.header
    ]
    return re.compile(re.escape(layout.delimiter.encode()).join(parts) + rb"\r?")


def _records(path: str, feed: Feed) -> Iterator[Record]:
    width = len(feed.header)
    number, rest = 2, list[bytes]()
    for some in _lines(path):
        rest += some
        whole, _ = whole_records(rest, feed.dialect, width)
        yield from split_records(rest[:whole], feed.dialect, width, number)
        number, rest = number + whole, rest[whole:]
    yield from split_records(rest, feed.dialect, width, number)


def _lines(path: str) -> Iterator[list[bytes]]:
    """The lines behind the header, many at a time."""
    try:
        with open_bytes(path) as file:
            lines = (line.removesuffix(b"\n") for line in file)
            next(lines, b"")
            while some := list(islice(lines, _LINES_AT_ONCE)):
                yield some
    except UNREADABLE as error:
        raise unreadable(path, error) from None
