"""The embedded engine: DuckDB, on one machine, within a bound of memory, the rest on disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_type_hints

import duckdb

from etls.aggregates.catalogue import Aggregate
from etls.aggregates.contract import BadRow, bad_rows
from etls.aggregates.progress import Progress
from etls.aggregates.sources import Layout, Sources
from etls.aggregates.target import Target
from feeds.core.rows import Rejected, Row, identify, validate
from feeds.core.types import CalendarDate, HexId, Integer, Text
from warehouse.errors import SourceError, WarehouseError
from warehouse.queries import query
from warehouse.remote import is_remote, remote_files

_LONGEST_LINE = 8 * 2**20  # bytes

# What keeps the contract, of a text ``{0}``; the model in feeds/ says the same.
_GOOD: list[tuple[Any, str]] = [
    (CalendarDate, "length({0}) = 10 AND TRY_CAST(TRY_CAST({0} AS DATE) AS VARCHAR) = {0}"),
    (HexId, "regexp_full_match({0}, '[0-9a-fA-F]{{24}}')"),
    (
        Integer,
        "regexp_full_match({0}, '[+-]?[0-9]{{1,19}}') AND TRY_CAST({0} AS BIGINT) IS NOT NULL",
    ),
    (Text, "{0} <> '' AND NOT contains({0}, chr(0))"),
]


class DuckDB:
    """The facts of some files, and the aggregate of these."""

    def __init__(
        self, sources: Sources, target: Target, memory: str, folder: Path, progress: Progress
    ) -> None:
        self._sources = sources
        self._target = target
        self._result = folder / "result.csv"
        self._progress = progress
        self._connection = duckdb.connect(
            config={
                "memory_limit": memory,
                "temp_directory": str(folder),
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",
            }
        )
        if any(is_remote(path) for path in sources.paths):
            self._connection.register_filesystem(remote_files())
        self.n_rows = 0
        self.n_bad = 0

    def run(self) -> int:
        """Write the aggregate to a file; how many rows that are.

        Raises:
            SourceError: a file cannot be read.
            WarehouseError: memory or disk do not suffice.
        """
        with _translated_errors():
            try:
                self._read()
            except duckdb.InvalidInputException:
                self._complain_of_returns()
                raise
            self._number()
            with self._progress.phase("totals and streaks", self._connection.query_progress):
                return self._write()

    def publish(self) -> None:
        """Put the file's rows in the place of the table's."""
        with self._result.open("rb") as file:
            self._target.replace(file)

    def _read(self) -> None:
        """The good rows of all files, their columns as they came, amount and day as numbers."""
        aggregate = self._sources.aggregate
        self._execute(
            "CREATE TEMP TABLE read_rows"
            " (entity VARCHAR, category VARCHAR, amount BIGINT, day DATE)"
        )
        n = len(self._sources.paths)
        name = f"reading {n:,} file{'s' * (n > 1)}"
        with self._progress.phase(name, self._connection.query_progress):
            for relation, names in self._relations():
                facts = {fact: _quoted(names[column]) for fact, column in aggregate.facts.items()}
                checks = _checks(aggregate, names)
                early = [
                    check for column, check in checks.items() if column not in _late(aggregate)
                ]
                is_good = " AND ".join(f"({check})" for check in early)
                ((n_read,),) = self._execute(
                    "INSERT INTO read_rows SELECT"
                    f" {facts['entity']}, {facts['category']},"
                    f" CASE WHEN {is_good} THEN CAST({facts['amount']} AS BIGINT) END,"
                    f" CASE WHEN {is_good} THEN CAST({facts['day']} AS DATE) END"
                    f" FROM {relation}"
                )
                self.n_rows += int(n_read)
        if self._sources.texts:
            ((n_refused,),) = self._execute(
                "SELECT count(*) FROM (SELECT DISTINCT file_id, line FROM reject_errors)"
            )
            self.n_rows += int(n_refused)
            self.n_bad += int(n_refused)

    def _complain_of_returns(self) -> None:
        """Name the row at which DuckDB's parser gives up a whole file.

        Raises:
            SourceError: there is such a row.
        """
        for bad in bad_rows(self._sources):
            if b"\r" in bad.rejected.row.payload and bad.rejected.code == "malformed":
                raise SourceError(f"{bad}; DuckDB cannot read on behind it: mend that row first")

    def _number(self) -> None:
        """The facts, with a number for each entity and category: less to hash, sort and spill.

        Categories are numbered in their order, so that of several the first has the least number.
        What an id has to look like is asked once for each, here.
        """
        aggregate = self._sources.aggregate
        checks = _checks(aggregate, {column: column for column in aggregate.feed.columns})
        with self._progress.phase("numbering", self._connection.query_progress):
            for name, order in (("entity", ""), ("category", "ORDER BY name")):
                check = checks[aggregate.facts[name]].replace(
                    _quoted(aggregate.facts[name]), "name"
                )
                self._execute(
                    f"CREATE TEMP TABLE {name}_names AS"
                    f" SELECT name, CAST(row_number() OVER ({order}) AS INTEGER) AS number"
                    f" FROM (SELECT DISTINCT {name} AS name FROM read_rows) WHERE {check}"
                )
            ((n_good,),) = self._execute(
                "CREATE TEMP TABLE facts AS"
                " SELECT entity_names.number AS entity, category_names.number AS category,"
                " amount, day FROM read_rows"
                " INNER JOIN entity_names ON entity_names.name = read_rows.entity"
                " INNER JOIN category_names ON category_names.name = read_rows.category"
                " WHERE amount IS NOT NULL AND day IS NOT NULL"
            )
            ((n_read,),) = self._execute("SELECT count(*) FROM read_rows")
            self.n_bad += int(n_read) - int(n_good)
            self._execute("DROP TABLE read_rows")

    def _write(self) -> int:
        text = query("aggregates/top_and_streak")
        entity, category, streak = map(_quoted, self._sources.aggregate.columns)
        ((n_entities,),) = self._execute(
            f"COPY (SELECT entity_names.name AS {entity}, category_names.name AS {category},"
            f" longest_streak AS {streak} FROM ({text}) AS result"
            " INNER JOIN entity_names ON entity_names.number = result.entity"
            " INNER JOIN category_names ON category_names.number = result.top_category)"
            f" TO {_literal(str(self._result))} (FORMAT csv, HEADER true)"
        )
        return int(n_entities)

    def bad_parquet_rows(self) -> Iterator[BadRow]:
        """The rows of Parquet files that do not keep the contract, numbered from 1."""
        feed = self._sources.aggregate.feed
        for path in self._sources.parquets:
            names = self._parquet_names(path)
            checks = _checks(self._sources.aggregate, names)
            is_good = " AND ".join(f"coalesce({check}, false)" for check in checks.values())
            found = self._connection.cursor().execute(
                f"SELECT file_row_number + 1, {', '.join(map(_quoted, names.values()))}"
                f" FROM {_parquet(path, names)} WHERE NOT ({is_good})"
            )
            while row := found.fetchone():
                number, *values = row
                fields = {name: v for name, v in zip(feed.header, values) if v not in (None, "")}
                payload = feed.dialect.delimiter.join(str(v or "") for v in values).encode()
                event_id = identify(feed, number, payload, fields)
                verdict = validate(feed, Row(number, payload, event_id, fields))
                if isinstance(verdict, Rejected):
                    yield BadRow(path, verdict)

    def _relations(self) -> Iterator[tuple[str, dict[str, str]]]:
        """What to read from, and how each of the feed's columns is called there; all are texts."""
        feed = self._sources.aggregate.feed
        for layout, paths in self._sources.texts.items():
            yield _csv(layout, paths), dict(zip(feed.columns, feed.header))
        for path in self._sources.parquets:
            names = self._parquet_names(path)
            yield _parquet(path, names), names

    def _parquet_names(self, path: str) -> dict[str, str]:
        feed = self._sources.aggregate.feed
        rows = self._execute(f"DESCRIBE SELECT * FROM read_parquet({_literal(path)})")
        found = {name for name, *_ in rows}
        return dict(zip(feed.columns, feed.columns if set(feed.columns) <= found else feed.header))

    def _execute(self, text: str) -> list[Any]:
        return self._connection.execute(text).fetchall()

    def close(self) -> None:
        """Give back memory and disk."""
        self._connection.close()


def _late(aggregate: Aggregate) -> tuple[str, str]:
    """The columns that are checked once for each value."""
    return aggregate.entity, aggregate.category


def _checks(aggregate: Aggregate, names: dict[str, str]) -> dict[str, str]:
    """For each of the feed's columns the condition that its text keeps the contract."""
    hints = get_type_hints(aggregate.feed.model, include_extras=True)
    conditions = {
        column: next(check for known, check in _GOOD if known == hints[column])
        for column in aggregate.feed.columns
    }
    return {column: check.format(_quoted(names[column])) for column, check in conditions.items()}


def _csv(layout: Layout, paths: list[str]) -> str:
    columns = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in layout.header)
    return (
        f"read_csv([{', '.join(map(_literal, paths))}], auto_detect = false, header = true,"
        f" delim = {_literal(layout.delimiter)}, quote = '\"', escape = '\"',"
        f" columns = {{{columns}}}, store_rejects = true, rejects_limit = 0,"
        f" max_line_size = {_LONGEST_LINE})"
    )


def _parquet(path: str, names: dict[str, str]) -> str:
    texts = ", ".join(
        f"CAST({_quoted(name)} AS VARCHAR) AS {_quoted(name)}" for name in names.values()
    )
    return (
        f"(SELECT file_row_number, {texts}"
        f" FROM read_parquet({_literal(path)}, file_row_number = true))"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise WarehouseError(
            f"DuckDB: {_first_line(error)}; give it more with --memory, or take --engine spark"
        ) from None
    except duckdb.Error as error:
        raise SourceError(f"DuckDB: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
