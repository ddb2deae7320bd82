"""``python -m etls``: run ETLs for dates, load reference files."""

# pylint: disable=import-outside-toplevel  # a day's run should not wait for what others need

import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etls.catalogue import ETLS, etl_named
from etls.dates import chosen_dates, parse_date
from etls.run_log import date_statuses
from etls.runner import run_etl, stale_dates
from warehouse.entry import Parser, run_command
from warehouse.environment import database_url
from warehouse.errors import UsageError, WarehouseError
from warehouse.output import written_for_people
from warehouse.postgres import ETL, Connection, connect
from warehouse.visible import visible

_REJECTS_SHOWN = 10
_PRUNE_EXAMPLE = "make prune BEFORE=2020-12-06 (or --before 2020-12-06)"
_THROUGH_EXAMPLE = "IMPORT_DATE=2020-12-05 make user_activity (or --through 2020-12-05)"


def main() -> None:
    """Run the command line."""
    run_command(_dispatch)


def _dispatch() -> None:
    arguments = _parser().parse_args()
    arguments.command(arguments)


def _parser() -> ArgumentParser:
    parser = Parser(prog="python -m etls", description="Run ETLs for dates, load reference files.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    names = f"one of {', '.join(ETLS)}"

    run = commands.add_parser("run", help="run ETLs for UTC dates")
    run.add_argument("etls", nargs="+", metavar="ETL", help=names)
    run.add_argument("--date", default=os.environ.get("IMPORT_DATE"), help="default: $IMPORT_DATE")
    run.add_argument("--from", dest="first", metavar="DATE", help="first date of a range")
    run.add_argument("--to", dest="last", metavar="DATE", help="last date of a range, included")
    run.add_argument("--stale", action="store_true", help="every date with events it has not seen")
    run.add_argument("--full", action="store_true", help="all of a date, not only what is new")
    run.add_argument("--dry-run", action="store_true", help="say what it would do, and undo it")
    run.add_argument("-v", "--verbose", action="store_true", help="a dry run: with the plans")
    run.set_defaults(command=_run)

    lists = commands.add_parser("list", help="list the ETLs: inputs, target, grain")
    lists.set_defaults(command=_list)

    status = commands.add_parser("status", help="list the dates that have events no run has seen")
    status.add_argument("etls", nargs="*", metavar="ETL", help=f"{names}; default: all")
    status.set_defaults(command=_status)

    whole = commands.add_parser("verify", help="examine whole tables; exit 1 if one is wrong")
    whole.add_argument("etls", nargs="*", metavar="ETL", help=f"{names}; default: all")
    whole.set_defaults(command=_verify)

    aggregate = commands.add_parser("aggregate", help="fill a table from all streamed rows")
    aggregate.add_argument(
        "aggregates", nargs="+", metavar="NAME", help="such as user_activity; a wrong one lists all"
    )
    aggregate.add_argument("--through", metavar="DATE", help="the last UTC date; default: all")
    aggregate.set_defaults(command=_aggregate)

    answers = commands.add_parser("answers", help="answer the questions about web interactions")
    answers.add_argument("--page", metavar="FILE", type=Path, help="write them there too")
    answers.set_defaults(command=_answers)

    retention = commands.add_parser("prune", help="drop raw days that every ETL has processed")
    retention.add_argument("--before", default="", metavar="DATE", help="this date is kept")
    retention.add_argument("--dry-run", action="store_true", help="only say what would be dropped")
    retention.add_argument("--yes", action="store_true", help="do not ask")
    retention.set_defaults(command=_prune)

    load = commands.add_parser("load", help="load a reference file by COPY")
    load.add_argument("feed", metavar="FEED", help="such as organizations; a wrong one lists all")
    load.add_argument("source", metavar="SOURCE", help="CSV file")
    load.set_defaults(command=_load)
    return parser


@contextmanager
def _database() -> Iterator[Connection]:
    # Python hears of Ctrl-C only when a statement has ended: so it ends us at once, as any kill.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with connect(database_url(), "event-etl", ETL) as connection:
        yield connection


def _run(arguments: Namespace) -> None:
    etls = [etl_named(name) for name in arguments.etls]
    dates = None
    if not arguments.stale:
        dates = chosen_dates(arguments.date, arguments.first, arguments.last)
    with _database() as connection:
        for etl in etls:
            chosen = dates or stale_dates(connection, etl)
            if not chosen:
                print(f"{etl.name}: no date is stale")
            elif arguments.dry_run:
                from etls.dry_run import dry_run

                for line in dry_run(
                    connection, etl, chosen, full=arguments.full, verbose=arguments.verbose
                ):
                    print(line, flush=True)
            else:
                for run in run_etl(connection, etl, chosen, full=arguments.full):
                    print(run, flush=True)


def _aggregate(arguments: Namespace) -> None:
    from etls.aggregates.catalogue import aggregate_named
    from etls.aggregates.streamed import refresh

    chosen = [aggregate_named(name) for name in arguments.aggregates]
    through = parse_date(arguments.through, _THROUGH_EXAMPLE) if arguments.through else None
    with _database() as connection:
        for aggregate in chosen:
            done = refresh(connection, aggregate, through)
            print(
                f"{aggregate.name} through {done.through}: {done.outcome.rows_read:,} rows read,"
                f" {done.outcome.rows_written:,} written ({done.seconds:.2f} s)"
            )


def _answers(arguments: Namespace) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from etls.answers.catalogue import ANSWERS
    from etls.answers.page import page
    from etls.answers.refresh import refresh, rows_of

    with _database() as connection:
        for answer in ANSWERS:
            refresh(connection, answer)
        text = page((answer, rows_of(connection, answer)) for answer in ANSWERS)
    Console().print(Markdown(text))
    if arguments.page:
        with written_for_people(arguments.page):
            arguments.page.write_text(text, encoding="utf-8")
        print(f"written to {arguments.page}")


def _list(_: Namespace) -> None:
    for etl in ETLS.values():
        made = f"{', '.join(etl.inputs)} -> {etl.target}, one row {etl.grain}"
        print(f"{etl.name:20} {made}; version {etl.version}")


def _status(arguments: Namespace) -> None:
    with _database() as connection, connection.cursor() as cursor:
        for name in arguments.etls or ETLS:
            etl = etl_named(name)
            found = date_statuses(cursor, etl)
            stale = [status for status in found if status.is_stale]
            print(f"{etl.name}: {len(stale):,} of {len(found):,} dates are stale")
            for status in stale:
                print(f"  {status}")


def _verify(arguments: Namespace) -> None:
    from etls.verify import verify

    remedies = []
    is_sound = True
    with _database() as connection:
        for name in arguments.etls or ETLS:
            etl = etl_named(name)
            print(f"examining {etl.target}", file=sys.stderr)
            verified = verify(connection, etl)
            print(visible(str(verified), kept="\n"), flush=True)
            is_sound &= verified.is_sound
            remedies += verified.remedies
    if not is_sound:
        raise WarehouseError("\n  ".join(["something has changed the tables:", *remedies]))


def _prune(arguments: Namespace) -> None:
    from etls.prune import droppable, prune

    if not arguments.before:
        raise UsageError(f"BEFORE is missing: type {_PRUNE_EXAMPLE}")
    before = parse_date(arguments.before, _PRUNE_EXAMPLE)
    with _database() as connection:
        found = droppable(connection, before)
        if not found:
            print(f"no day before {before} is there")
            return
        for part in found:
            print(f"{part} before {before}")
        if arguments.dry_run:
            print("nothing was dropped: this was a dry run")
            return
        if not arguments.yes:
            _ask_to_drop()
        for feed, rows in prune(connection, before).items():
            print(f"{feed}: {rows:,} rows before {before} dropped")


def _ask_to_drop() -> None:
    """Raise unless a person wants it."""
    if not sys.stdin.isatty():
        raise UsageError("nothing was dropped, since nobody can be asked: type YES=1 (or --yes)")
    print("Drop these rows? They are not kept anywhere else. [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise WarehouseError("nothing was dropped")


def _load(arguments: Namespace) -> None:
    from etls.load import load_file
    from feeds import feed_named

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
        print(visible(f"  {place}: {rejected.reason}"), file=sys.stderr)


if __name__ == "__main__":
    main()
