"""Loading a small reference file by COPY: the feeds that do not go through the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feeds.core.declaration import Feed
from feeds.core.records import MalformedRecord, parse_header, split_records
from feeds.core.rows import Accepted, Rejected, read_records, validate
from warehouse.errors import SourceError
from warehouse.postgres import Connection, merge_rows, translated_errors


@dataclass(frozen=True)
class Loaded:
    """What a load did."""

    rows: int
    written: int  # new, or changed
    rejected: Sequence[Rejected]


def load_file(connection: Connection, feed: Feed, path: str) -> Loaded:
    """Bring the feed's table up to date with a file, in one transaction.

    A key that is there already takes the file's values; of one key twice in the file the last
    row counts. Rows that do not keep the contract are left out and returned.

    Raises:
        SourceError: the file cannot be read, or its header is another feed's.
    """
    verdicts = _read(feed, path)
    accepted = [verdict for verdict in verdicts if isinstance(verdict, Accepted)]
    rejected = [verdict for verdict in verdicts if isinstance(verdict, Rejected)]
    key = feed.columns.index(feed.conflict_key)
    last_of_key = {verdict.values[key]: verdict.values for verdict in accepted}
    with translated_errors(), connection, connection.cursor() as cursor:
        written = merge_rows(
            cursor, feed.table, feed.columns, list(last_of_key.values()), feed.conflict_key
        )
    return Loaded(len(verdicts), written, rejected)


def _read(feed: Feed, path: str) -> list[Accepted | Rejected]:
    try:
        head, *lines = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
        header = parse_header(head, feed)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except MalformedRecord as error:
        raise SourceError(f"{path}, line 1: {error}") from None
    records = split_records(lines, feed.dialect, len(header), first_line=2)
    return [validate(feed, row) for row in read_records(feed, header, records)]
