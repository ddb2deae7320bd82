"""The one module that knows psycopg2: connections in a role, bulk inserts, errors in our terms."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from io import BytesIO
from typing import Any, TypeVar
from uuid import UUID

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as _connection
from psycopg2.extensions import cursor as _cursor

from warehouse.errors import DatabaseUnavailable, WarehouseError

T = TypeVar("T")

Connection = _connection
Cursor = _cursor

INGEST, ETL, READ = "warehouse_ingest", "warehouse_etl", "warehouse_read"

# Text format of COPY (PostgreSQL manual, COPY, "Text Format").
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


# The row is at fault, and trying again would not help. ProgramLimitExceeded: too long for an index.
_ROW_AT_FAULT: tuple[type[psycopg2.Error], ...] = (
    psycopg2.DataError,
    psycopg2.errors.CheckViolation,
    psycopg2.errors.NotNullViolation,
    psycopg2.errors.ProgramLimitExceeded,
)


class InvalidRow(WarehouseError):
    """PostgreSQL cannot store one of these rows; the text is its reason, without the values."""


def open_connection(url: object, name: str, role: str | None = None) -> Connection:
    """A connection in UTC that acts in ``role``.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
    """
    with translated_errors():
        connection = psycopg2.connect(
            str(url), application_name=name, connect_timeout=5, client_encoding="UTF8"
        )
        with connection, connection.cursor() as cursor:
            cursor.execute("SET timezone TO 'UTC'")
            if role is not None:
                cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        return connection


@contextmanager
def connect(url: object, name: str, role: str | None = None) -> Iterator[Connection]:
    """The same, closed at the end of the block; errors inside it are translated too."""
    with closing(open_connection(url, name, role)) as connection, translated_errors():
        yield connection


@contextmanager
def translated_errors() -> Iterator[None]:
    """psycopg2's errors end here: what may pass by itself, and what will not."""
    try:
        yield
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise DatabaseUnavailable(f"PostgreSQL (DATABASE_URL): {_one_line(error)}") from error
    except (
        psycopg2.errors.UndefinedTable,
        psycopg2.errors.InvalidSchemaName,
        psycopg2.errors.InvalidParameterValue,  # the role does not exist
    ) as error:
        raise WarehouseError(f"PostgreSQL: {_one_line(error)}; run make setup") from error
    except psycopg2.Error as error:
        raise WarehouseError(f"PostgreSQL: {_one_line(error)}") from error


def _one_line(error: psycopg2.Error) -> str:
    text = error.diag.message_primary or str(error)
    return " ".join(text.split()) or type(error).__name__


def wait_for(attempt: Callable[[], T], patience: float) -> T:
    """The result of an attempt, tried again while the database is away, at most ``patience`` s."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return attempt()
        except DatabaseUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@contextmanager
def _row_errors() -> Iterator[None]:
    try:
        yield
    except _ROW_AT_FAULT as error:
        raise InvalidRow(_one_line(error)) from None


def copy_rows(
    cursor: Cursor, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Append rows by COPY.

    Raises:
        InvalidRow: PostgreSQL cannot store one of them; the transaction is to be rolled back.
    """
    body = "".join(map(_line, rows)).encode()
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(_name(table), _names(columns))
    with _row_errors():
        cursor.copy_expert(statement, BytesIO(body))


def insert_new(
    cursor: Cursor,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    key: str,
) -> bool:
    """Append those rows whose key is not there yet; True if that was all of them.

    Usually all are new, and one COPY into the table does it. Otherwise the rows go through a
    temporary table, ``staged``, which has them until the end of the transaction.

    Raises:
        InvalidRow: PostgreSQL cannot store one of them; the transaction is to be rolled back.
    """
    cursor.execute("SAVEPOINT direct")
    try:
        copy_rows(cursor, table, columns, rows)
        cursor.execute("RELEASE SAVEPOINT direct")
        return True
    except psycopg2.errors.UniqueViolation:
        cursor.execute("ROLLBACK TO SAVEPOINT direct")
    stage(cursor, table, columns, rows)
    statement = sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM staged"
        " ORDER BY {key} ON CONFLICT ({key}) DO NOTHING"
    ).format(table=_name(table), columns=_names(columns), key=sql.Identifier(key))
    with _row_errors():  # the indexes see the rows only now
        cursor.execute(statement)
    return False


@contextmanager
def savepoint(cursor: Cursor) -> Iterator[None]:
    """A part of a transaction that an InvalidRow undoes without undoing the rest."""
    cursor.execute("SAVEPOINT part")
    try:
        yield
    except InvalidRow:
        cursor.execute("ROLLBACK TO SAVEPOINT part")
        raise
    cursor.execute("RELEASE SAVEPOINT part")


def merge_rows(
    cursor: Cursor, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], key: str
) -> int:
    """Add rows, or update those whose key is there with other values; how many that were.

    The keys of the rows must differ.
    """
    stage(cursor, table, columns, rows)
    others = [column for column in columns if column != key]
    cursor.execute(
        sql.SQL(
            "INSERT INTO {table} AS old ({columns}) SELECT {columns} FROM staged"
            " ON CONFLICT ({key}) DO UPDATE SET ({others}) = ROW({excluded})"
            " WHERE ({old}) IS DISTINCT FROM ({excluded})"
        ).format(
            table=_name(table),
            columns=_names(columns),
            key=sql.Identifier(key),
            others=_names(others),
            excluded=sql.SQL(", ").join(sql.Identifier("excluded", name) for name in others),
            old=sql.SQL(", ").join(sql.Identifier("old", name) for name in others),
        )
    )
    return cursor.rowcount


def stage(
    cursor: Cursor, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Put rows into a temporary table ``staged``, shaped like the columns of ``table``."""
    cursor.execute("DROP TABLE IF EXISTS pg_temp.staged")
    cursor.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE staged ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA"
        ).format(_names(columns), _name(table))
    )
    copy_rows(cursor, "pg_temp.staged", columns, rows)


def _name(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _line(values: Sequence[Any]) -> str:
    """A row in COPY's text format. Few rows have anything to escape, so first look, then do."""
    texts = [value if value.__class__ is str else _literal(value) for value in values]
    line = "\t".join(texts)
    nulls = len([value for value in values if value is None])  # count() would ask every UUID
    if (
        line.count("\\") == nulls
        and line.count("\t") == len(texts) - 1
        and "\n" not in line
        and "\r" not in line
    ):
        return line + "\n"
    escaped = (
        text if value is None else text.translate(_ESCAPES) for value, text in zip(values, texts)
    )
    return "\t".join(escaped) + "\n"


def _literal(value: object) -> str:
    """PostgreSQL's spelling of a value that is no text."""
    if value is None:
        return "\\N"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
