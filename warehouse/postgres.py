"""The one module that knows psycopg2: connections in a role, bulk inserts, errors in our terms."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import date
from io import BytesIO
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as _connection
from psycopg2.extensions import cursor as _cursor

from warehouse.copy_format import HEAD, TAIL, encode_row
from warehouse.errors import BrokenEnvironment, DatabaseUnavailable, WarehouseError

T = TypeVar("T")

Connection = _connection
Cursor = _cursor

INGEST, ETL, READ = "warehouse_ingest", "warehouse_etl", "warehouse_read"

# Classes of SQLSTATE (PostgreSQL manual, appendix A).
_ROW_AT_FAULT = ("22", "23", "54")  # bad data, a broken constraint, more than PostgreSQL can hold
_SETUP_AT_FAULT = ("0A", "26", "28", "34", "3D", "3F", "42")  # no such table, role, right, database
# libpq gives no SQLSTATE for what a server says to a connection it refuses.
_REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "not permitted")
_COPY_BUFFER = 1 << 20
SETUP_ADVICE = "; run make setup"


class DuplicateKey(WarehouseError):
    """One of these rows is there already."""


class LockTimeout(DatabaseUnavailable):
    """Somebody else held a lock for longer than we were to wait."""


class InvalidRow(WarehouseError):
    """PostgreSQL cannot store one of these rows; the text is its reason, without the values."""


def open_connection(url: object, name: str, role: str | None = None) -> Connection:
    """A connection in UTC that acts in ``role``.

    If we are killed, the server notices within two seconds, drops the statement in hand and frees
    its locks, instead of working on for nobody.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
    """
    with translated_errors():
        connection = psycopg2.connect(
            str(url), application_name=name, connect_timeout=5, client_encoding="UTF8"
        )
        with connection, connection.cursor() as cursor:
            cursor.execute("SET timezone TO 'UTC'; SET client_connection_check_interval TO '2s'")
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
    """psycopg2's errors end here: what passes by itself, and what somebody has to mend."""
    try:
        yield
    except psycopg2.Error as error:
        said = f"PostgreSQL: {_one_line(error)}"
        if _is_setup_at_fault(error):
            advice = SETUP_ADVICE if _class_of(error) in ("3F", "42") else ""
            raise BrokenEnvironment(said + advice) from error
        if _class_of(error) in _ROW_AT_FAULT:
            raise InvalidRow(said) from error
        if isinstance(error, psycopg2.errors.LockNotAvailable):
            raise LockTimeout(said) from error
        raise DatabaseUnavailable(f"PostgreSQL (DATABASE_URL): {_one_line(error)}") from error


def _class_of(error: psycopg2.Error) -> str:
    return (error.pgcode or "")[:2]


def _is_setup_at_fault(error: psycopg2.Error) -> bool:
    if error.pgcode is None:
        return any(refusal in str(error) for refusal in _REFUSALS)
    return _class_of(error) in _SETUP_AT_FAULT or error.pgcode == "22023"  # SET ROLE to none


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
    except psycopg2.errors.UniqueViolation as error:
        raise DuplicateKey(_one_line(error)) from None
    except psycopg2.Error as error:
        if _class_of(error) in _ROW_AT_FAULT:
            raise InvalidRow(_one_line(error)) from None
        raise


def copy_in(
    cursor: Cursor, table: str | Sequence[str], columns: Sequence[str], rows: Iterable[bytes]
) -> None:
    """Append rows in COPY's binary format; each element is one of them, or many.

    Raises:
        InvalidRow: PostgreSQL cannot store one of them.
        DuplicateKey: one of them is there. In both cases the transaction is to be rolled back.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)")
    body = BytesIO(b"".join([HEAD, *rows, TAIL]))
    with _row_errors():
        cursor.copy_expert(statement.format(_name(table), _names(columns)), body, _COPY_BUFFER)


def find_keys(
    cursor: Cursor,
    table: str,
    key: str,
    wanted: Sequence[str],
    within: tuple[str, date, date] | None = None,
) -> list[str]:
    """Those of the wanted keys, each a UUID, that the table has; ``within`` a column's first and
    last UTC day, which spares the table's other days."""
    column, *days = within or (key,)
    condition = " AND {column} >= %s AND {column} < %s::date + 1" if days else ""
    statement = sql.SQL("SELECT {key} FROM {table} WHERE {key} = ANY(%s::uuid[])" + condition)
    names = {"key": sql.Identifier(key), "column": sql.Identifier(str(column))}
    cursor.execute(statement.format(table=_name(table), **names), [list(wanted), *days])
    return [found for found, in cursor]


def create_database(url: object, name: str) -> None:
    """Make a database on the server of a URL, unless it is there.

    Raises:
        BrokenEnvironment: the server does not let us.
    """
    maintenance = urlunsplit(urlsplit(str(url))._replace(path="/postgres"))
    with closing(open_connection(maintenance, "event-setup")) as connection:
        connection.autocommit = True
        with translated_errors(), connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                with suppress(psycopg2.errors.DuplicateDatabase):  # somebody was faster
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def columns_of(cursor: Cursor, table: Sequence[str]) -> list[str]:
    """The columns of a table, or other relation; none if there is no such thing."""
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s)"
        " AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (sql.Identifier(*table).as_string(cursor),),
    )
    return [str(name) for name, in cursor]


def create_table(cursor: Cursor, table: Sequence[str], columns: Mapping[str, str]) -> None:
    """Make a table, and its schema, unless they are there; ``columns`` says what each one is."""
    *schema, _ = table
    if schema:
        cursor.execute("SELECT to_regnamespace(%s)", (sql.Identifier(*schema).as_string(cursor),))
        if cursor.fetchone() == (None,):
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(*schema)))
    definitions = [sql.Identifier(name) + sql.SQL(f" {kind}") for name, kind in columns.items()]
    cursor.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(
            sql.Identifier(*table), sql.SQL(", ").join(definitions)
        )
    )


def empty_alone(cursor: Cursor, table: Sequence[str]) -> None:
    """Delete all rows, and keep other writers out until the transaction ends; readers see the old
    rows until then, which they would not after a TRUNCATE."""
    name = sql.Identifier(*table)
    cursor.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(name))
    cursor.execute(sql.SQL("DELETE FROM {}").format(name))


def copy_csv(cursor: Cursor, table: Sequence[str], columns: Sequence[str], file: IO[bytes]) -> None:
    """Append the rows of a CSV file with a header."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER true)")
    cursor.copy_expert(
        statement.format(sql.Identifier(*table), _names(columns)), file, _COPY_BUFFER
    )


def copy_rows(
    cursor: Cursor, source: Sequence[str], target: Sequence[str], columns: Sequence[str]
) -> None:
    """Append the rows of one table to another."""
    statement = sql.SQL("INSERT INTO {} ({columns}) SELECT {columns} FROM {}")
    tables = map(lambda names: sql.Identifier(*names), (target, source))
    cursor.execute(statement.format(*tables, columns=_names(columns)))


def drop_table(cursor: Cursor, table: Sequence[str]) -> None:
    """Drop a table, if it is there."""
    cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(*table)))


def lock_for_session(cursor: Cursor, name: str) -> bool:
    """Take an advisory lock that goes with the connection; whether nobody else has it."""
    cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,))
    ((is_ours,),) = cursor.fetchall()
    return bool(is_ours)


def replace_part(cursor: Cursor, table: Sequence[str], column: str, part: int) -> None:
    """Delete the rows of a part, while nobody else writes that part."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s), %s)", (".".join(table), part))
    statement = sql.SQL("DELETE FROM {} WHERE {} = %s")
    cursor.execute(statement.format(sql.Identifier(*table), sql.Identifier(column)), (part,))


def count_rows(cursor: Cursor, table: Sequence[str]) -> int:
    """How many rows a table has."""
    cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table)))
    ((found,),) = cursor.fetchall()
    return int(found)


def count_where(cursor: Cursor, table: str, column: str, value: object) -> int:
    """How many rows of a table have this value."""
    statement = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s")
    cursor.execute(statement.format(_name(table), sql.Identifier(column)), (value,))
    ((found,),) = cursor.fetchall()
    return int(found)


def insert_new(
    cursor: Cursor, table: str, columns: Sequence[str], rows: Iterable[bytes], key: Sequence[str]
) -> set[str]:
    """Append those rows whose key is not there yet; the first column of these keys. In the order
    of the key, as all writers do, so that no two wait for each other.

    Raises:
        InvalidRow: PostgreSQL cannot store one of them; the transaction is to be rolled back.
    """
    staged = stage(cursor, table, columns, rows)
    statement = sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM {staged}"
        " ORDER BY {key} ON CONFLICT ({key}) DO NOTHING RETURNING {first}"
    ).format(
        table=_name(table),
        columns=_names(columns),
        staged=_name(staged),
        key=_names(key),
        first=sql.Identifier(key[0]),
    )
    with _row_errors():  # the indexes see the rows only now
        cursor.execute(statement)
    return {found for found, in cursor}


@contextmanager
def savepoint(cursor: Cursor) -> Iterator[None]:
    """A part of a transaction that our own errors undo without undoing the rest."""
    cursor.execute("SAVEPOINT part")
    try:
        yield
    except WarehouseError as error:
        if not isinstance(error, DatabaseUnavailable):
            cursor.execute("ROLLBACK TO SAVEPOINT part")
            cursor.execute("RELEASE SAVEPOINT part")
        raise
    cursor.execute("RELEASE SAVEPOINT part")


def storable(text: str | None) -> str | None:
    """A text with what PostgreSQL cannot store written out; a sender chose much of it."""
    if text is None:
        return None
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\x00")


def merge_rows(
    cursor: Cursor, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], key: str
) -> int:
    """Add rows, or update those whose key is there with other values; how many that were.

    The keys of the rows must differ.
    """
    staged = stage(cursor, table, columns, map(encode_row, rows))
    others = [column for column in columns if column != key]
    cursor.execute(
        sql.SQL(
            "INSERT INTO {table} AS old ({columns}) SELECT {columns} FROM {staged}"
            " ON CONFLICT ({key}) DO UPDATE SET ({others}) = ROW({excluded})"
            " WHERE ({old}) IS DISTINCT FROM ({excluded})"
        ).format(
            table=_name(table),
            columns=_names(columns),
            staged=_name(staged),
            key=sql.Identifier(key),
            others=_names(others),
            excluded=sql.SQL(", ").join(sql.Identifier("excluded", name) for name in others),
            old=sql.SQL(", ").join(sql.Identifier("old", name) for name in others),
        )
    )
    return cursor.rowcount


def stage(cursor: Cursor, table: str, columns: Sequence[str], rows: Iterable[bytes]) -> str:
    """Put rows into a temporary table shaped like the columns of ``table``; its name.

    The table outlives the transaction, empty, so that a connection creates it but once.
    """
    staged = f"pg_temp.staged_{table.rpartition('.')[2]}"
    cursor.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS"
            " AS SELECT {} FROM {} WITH NO DATA"
        ).format(sql.Identifier(staged.partition(".")[2]), _names(columns), _name(table))
    )
    cursor.execute(sql.SQL("DELETE FROM {}").format(_name(staged)))
    copy_in(cursor, staged, columns, rows)
    return staged


def _name(table: str | Sequence[str]) -> sql.Identifier:
    return sql.Identifier(*(table.split(".") if isinstance(table, str) else table))


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
