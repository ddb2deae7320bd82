"""The table that is replaced: whole and at once, while others read it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from types import TracebackType
from typing import IO
from urllib.parse import quote, urlsplit, urlunsplit

from warehouse.copy_format import encode_row
from warehouse.environment import database_url
from warehouse.errors import UsageError
from warehouse.postgres import (
    Connection,
    Cursor,
    columns_of,
    connect,
    copy_csv,
    copy_in,
    copy_rows,
    count_rows,
    create_database,
    create_table,
    drop_table,
    empty_alone,
    lock_for_session,
    open_connection,
    replace_part,
    translated_errors,
)

_LONGEST_NAME = 63  # bytes; PostgreSQL cuts off the rest
_ROWS_AT_ONCE = 20_000
_TYPES = ("text NOT NULL PRIMARY KEY", "text NOT NULL", "integer NOT NULL")


@dataclass(frozen=True)
class Staging:
    """Where parts of a result are gathered, each in one transaction, however often it is tried."""

    url: str
    table: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def definition(self) -> dict[str, str]:
        """Its columns, and what each is."""
        return {"part": "bigint NOT NULL", **dict(zip(self.columns, ("text", "text", "bigint")))}

    def write_part(self, part: int, rows: Iterator[tuple[object, ...]]) -> None:
        """Put the rows of a part in the place of those that an earlier attempt has left.

        Attempts at one part take turns, and the last one counts: all of them have the same rows.
        """
        with connect(self.url, "event-aggregate-part") as connection:
            with connection, connection.cursor() as cursor:
                replace_part(cursor, self.table, "part", part)
                while some := list(islice(rows, _ROWS_AT_ONCE)):
                    encoded = [encode_row((part, *row)) for row in some]
                    copy_in(cursor, self.table, ("part", *self.columns), encoded)


class Target:
    """A table of ours: an id as its key, a category, and a number of days."""

    def __init__(self, database: str | None, table: str, columns: tuple[str, str, str]) -> None:
        """Connect, and make the database if it is missing.

        Raises:
            UsageError: the name is none, or the table is not of our making.
            WarehouseError: the database does not answer, or refuses.
        """
        self._table = _parse(table)
        self._columns = columns
        url = database_url()
        if database is not None:
            _check_name(database, "--database")
            create_database(url, database)
            url = urlunsplit(urlsplit(url)._replace(path=f"/{quote(database, safe='')}"))
        self._url = url
        self._connection: Connection = open_connection(url, "event-aggregate")
        with translated_errors(), self._connection, self._connection.cursor() as cursor:
            found = columns_of(cursor, self._table)
        if found and tuple(found) != columns:
            self._connection.close()
            raise UsageError(
                f"--table {table}: has the columns {', '.join(found)} and is not one of ours"
                f" ({', '.join(columns)}): choose another name, or drop it"
            )

    def replace(self, rows: IO[bytes]) -> None:
        """Put the rows of a CSV file with a header in the place of all that are there.

        In one transaction: others read the old rows until it has ended, and the new ones then.
        """
        with self._emptied() as cursor:
            copy_csv(cursor, self._table, self._columns, rows)

    def open_staging(self) -> Staging:
        """A new table beside this one, for writers on other machines; their leftovers are dropped.

        Raises:
            UsageError: another run has this table in hand.
        """
        name = "staging_" + sha256(repr(self._table).encode()).hexdigest()[:16]
        staging = Staging(self._url, (*self._table[:-1], name), self._columns)
        with translated_errors(), self._connection, self._connection.cursor() as cursor:
            if not lock_for_session(cursor, name):
                raise UsageError(f"another run is about to replace {'.'.join(self._table)}; wait")
            create_table(cursor, self._table, dict(zip(self._columns, _TYPES)))
            drop_table(cursor, staging.table)
            create_table(cursor, staging.table, staging.definition)
        return staging

    def count_staged(self, staging: Staging) -> int:
        """How many rows its parts have."""
        with translated_errors(), self._connection, self._connection.cursor() as cursor:
            return count_rows(cursor, staging.table)

    def replace_by_staging(self, staging: Staging) -> None:
        """The same as ``replace``, with the rows of a staging table, which is dropped."""
        with self._emptied() as cursor:
            copy_rows(cursor, staging.table, self._table, self._columns)
            drop_table(cursor, staging.table)

    def drop_staging(self, staging: Staging) -> None:
        """Drop it, if it is still there."""
        with translated_errors(), self._connection, self._connection.cursor() as cursor:
            drop_table(cursor, staging.table)

    @contextmanager
    def _emptied(self) -> Iterator[Cursor]:
        with translated_errors(), self._connection, self._connection.cursor() as cursor:
            create_table(cursor, self._table, dict(zip(self._columns, _TYPES)))
            empty_alone(cursor, self._table)
            yield cursor

    def __enter__(self) -> "Target":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()


def _parse(table: str) -> tuple[str, ...]:
    parts = tuple(table.split("."))
    if len(parts) > 2:
        raise UsageError(f"--table {table}: write TABLE or SCHEMA.TABLE")
    for part in parts:
        _check_name(part, "--table")
    return parts


def _check_name(name: str, option: str) -> None:
    if not name or "\x00" in name:
        raise UsageError(f"{option} {name!r}: is no name")
    if len(name.encode()) > _LONGEST_NAME:
        raise UsageError(f"{option} {name}: is longer than {_LONGEST_NAME} bytes")
