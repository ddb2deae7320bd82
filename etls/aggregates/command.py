"""``main.py``: files of activity or transactions in, a table with a row for each user out."""

import argparse
import csv
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

from etls.aggregates.catalogue import AGGREGATES
from etls.aggregates.contract import BadRow, bad_rows
from etls.aggregates.duckdb_engine import DuckDB
from etls.aggregates.engines import AUTO, DUCKDB, SPARK, Engine, outgrows
from etls.aggregates.progress import Progress
from etls.aggregates.sources import Sources, open_sources
from etls.aggregates.target import Target
from warehouse.entry import Parser, run_command
from warehouse.errors import SourceError, UsageError, WarehouseError
from warehouse.visible import visible

_SHOWN = 10  # bad rows
_MEMORY = re.compile(r"\d+(?:\.\d+)? ?[KMGT]i?B", re.IGNORECASE)
_REJECTS_HEADER = ("file", "line", "column", "reason", "row")


def main() -> None:
    """Run the command line."""
    run_command(_run)


def _run() -> None:
    arguments = _parser().parse_args()
    if not _MEMORY.fullmatch(arguments.memory):
        raise UsageError(f"--memory {arguments.memory}: write it like 512MB or 2GB")
    started = time.monotonic()
    sources = open_sources(arguments.source, arguments.feed)
    with Target(arguments.database, arguments.table, sources.aggregate.columns) as target:
        with tempfile.TemporaryDirectory(prefix="event-warehouse-", dir=arguments.temp) as folder:
            with closing(_engine(arguments, sources, target, Path(folder))) as engine:
                n_users = engine.run()
                _tell_of(engine, sources, arguments)
                engine.publish()
    print(
        f"{arguments.table}: {engine.n_rows:,} rows in, {n_users:,} users out,"
        f" {engine.n_bad:,} rejected, {time.monotonic() - started:.1f} s"
    )


def _parser() -> argparse.ArgumentParser:
    feeds = ", ".join(aggregate.feed.name for aggregate in AGGREGATES.values())
    parser = Parser(
        prog="main.py",
        description="For each user of some files, the category with the greatest total and the"
        " longest run of consecutive days, into a table that is replaced as a whole.",
    )
    parser.add_argument(
        "--source",
        nargs="+",
        required=True,
        help="files, folders, patterns: .csv, .csv.gz, .parquet, s3://bucket/key",
    )
    parser.add_argument("--table", required=True, help="TABLE or SCHEMA.TABLE")
    parser.add_argument("--database", help="made if it is missing; default: DATABASE_URL's")
    parser.add_argument("--feed", help=f"what the files are: {feeds}; default: their header says")
    parser.add_argument(
        "--engine",
        choices=(AUTO, DUCKDB, SPARK),
        default=AUTO,
        help="default: DuckDB, and Spark for what the disk has no room for",
    )
    parser.add_argument("--master", default="local[*]", help="Spark's; default: local[*]")
    parser.add_argument("--memory", default="1GB", help="DuckDB's bound; default: 1GB")
    parser.add_argument(
        "--temp", metavar="FOLDER", help="for what is larger; default: the system's"
    )
    parser.add_argument(
        "--rejects", metavar="FILE", help="write every bad row there, with the reason"
    )
    parser.add_argument("--strict", action="store_true", help="a bad row is an error")
    return parser


def _engine(
    arguments: argparse.Namespace, sources: Sources, target: Target, folder: Path
) -> Engine:
    """The engine that is asked for, or else the one that the files need."""
    chosen = arguments.engine
    if chosen == AUTO:
        chosen = SPARK if outgrows(sources, folder) else DUCKDB
    if chosen == SPARK:
        # An extra, and slow to import.
        from etls.aggregates.spark_engine import Spark  # pylint: disable=import-outside-toplevel

        return Spark(sources, target, arguments.master, Progress())
    return DuckDB(sources, target, arguments.memory, folder, Progress())


def _tell_of(engine: Engine, sources: Sources, arguments: argparse.Namespace) -> None:
    """Say what is wrong with bad rows: of the first few, or of all in a file.

    Raises:
        WarehouseError: with ``--strict``, if there is one.
    """
    if engine.n_bad:
        found: Iterator[BadRow] = chain(bad_rows(sources), engine.bad_parquet_rows())
        if arguments.rejects:
            found = _written(found, arguments.rejects)
        for number, row in enumerate(found, 1):
            if number <= _SHOWN:
                print(f"  {visible(str(row))}")
            elif not arguments.rejects:
                print(f"  and {engine.n_bad - _SHOWN:,} more; --rejects FILE writes them all")
                break
        if arguments.strict:
            raise WarehouseError(f"{engine.n_bad:,} rows do not keep the contract (--strict)")


def _written(rows: Iterator[BadRow], path: str) -> Iterator[BadRow]:
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_REJECTS_HEADER)
            for bad in rows:
                row = bad.rejected.row
                text = row.payload.decode(errors="backslashreplace")
                column = bad.rejected.column or ""
                writer.writerow((bad.path, row.line, column, bad.rejected.reason, text))
                yield bad
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
