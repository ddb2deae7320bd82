"""The table that is replaced: whole and at once, while others read it."""

from pathlib import Path
from types import TracebackType
from urllib.parse import quote, urlsplit, urlunsplit

from warehouse.errors import UsageError
from warehouse.postgres import (
    Connection,
    columns_of,
    copy_csv,
    create_database,
    create_table,
    empty_alone,
    open_connection,
    translated_errors,
)
from warehouse.settings import database_url

_LONGEST_NAME = 63  # bytes; PostgreSQL cuts off the rest
_TYPES = ("text NOT NULL PRIMARY KEY", "text NOT NULL", "integer NOT NULL")


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
        url = str(database_url())
        if database is not None:
            _check_name(database, "--database")
            create_database(url, database)
            url = urlunsplit(urlsplit(url)._replace(path=f"/{quote(database, safe='')}"))
        self._connection: Connection = open_connection(url, "event-aggregate")
        with translated_errors(), self._connection, self._connection.cursor() as cursor:
            found = columns_of(cursor, self._table)
        if found and tuple(found) != columns:
            self._connection.close()
            raise UsageError(
                f"--table {table}: has the columns {', '.join(found)} and is not one of ours"
                f" ({', '.join(columns)}): choose another name, or drop it"
            )

    def replace(self, result: Path) -> None:
        """Put the rows of a CSV file with a header in the place of all that are there.

        In one transaction: others read the old rows until it has ended, and the new ones then.
        """
        with translated_errors(), self._connection, self._connection.cursor() as cursor:
            create_table(cursor, self._table, dict(zip(self._columns, _TYPES)))
            empty_alone(cursor, self._table)
            with result.open("rb") as file:
                copy_csv(cursor, self._table, self._columns, file)

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
