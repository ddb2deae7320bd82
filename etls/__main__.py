"""``python -m etls``: run ETLs for dates, load reference files."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from etls.catalogue import ETLS, etl_named
from etls.dates import chosen_dates
from etls.load import load_file
from etls.runner import Run, run_etl
from feeds import FEEDS, feed_named
from warehouse.entry import Parser, run_command
from warehouse.errors import UsageError
from warehouse.postgres import ETL, Connection, connect
from warehouse.settings import settings

_REJECTS_SHOWN = 10


def main() -> None:
    """Run the command line."""
    run_command(_dispatch)


def _dispatch() -> None:
    arguments = _parser().parse_args()
    arguments.command(arguments)


def _parser() -> ArgumentParser:
    parser = Parser(prog="python -m etls", description="Run ETLs for dates, load reference files.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run ETLs for one UTC date or a range")
    run.add_argument("etls", nargs="+", metavar="ETL", help=f"one of {', '.join(ETLS)}")
    run.add_argument("--date", default=os.environ.get("IMPORT_DATE"), help="default: $IMPORT_DATE")
    run.add_argument("--from", dest="first", metavar="DATE", help="first date of a range")
    run.add_argument("--to", dest="last", metavar="DATE", help="last date of a range, included")
    run.set_defaults(command=_run)

    loaded = [feed.name for feed in FEEDS.values() if not feed.queued]
    load = commands.add_parser("load", help="load a reference file by COPY")
    load.add_argument("feed", metavar="FEED", help=f"one of {', '.join(loaded)}")
    load.add_argument("source", metavar="SOURCE", help="CSV file")
    load.set_defaults(command=_load)
    return parser


@contextmanager
def _database() -> Iterator[Connection]:
    with connect(settings().database_url, "event-etl", ETL) as connection:
        yield connection


def _run(arguments: Namespace) -> None:
    etls = [etl_named(name) for name in arguments.etls]
    dates = chosen_dates(arguments.date, arguments.first, arguments.last)
    with _database() as connection:
        for etl in etls:
            for import_date in dates:
                print(_describe(run_etl(connection, etl, import_date)), flush=True)


def _describe(run: Run) -> str:
    if run.rows_read == 0 and run.rows_written == 0:
        return f"{run.etl.name} {run.import_date}: no events on this date ({run.seconds:.2f} s)"
    return (
        f"{run.etl.name} {run.import_date}: {run.rows_read:,} rows read, "
        f"{run.rows_written:,} written ({run.seconds:.2f} s)"
    )


def _load(arguments: Namespace) -> None:
    feed = feed_named(arguments.feed)
    if feed.queued:
        raise UsageError(f"{feed.name} goes through the queue: make import FEED={feed.name}")
    with _database() as connection:
        loaded = load_file(connection, feed, arguments.source)
    print(
        f"{feed.name}: {loaded.rows:,} rows read: {loaded.written:,} new or changed, "
        f"{len(loaded.rejected):,} rejected"
    )
    for rejected in loaded.rejected[:_REJECTS_SHOWN]:
        place = f"{arguments.source}, line {rejected.row.line}"
        print(f"  {place}: {rejected.reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
