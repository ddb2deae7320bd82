"""``run.py``: from the lake's files to the BI tables and the picture, at any time, in one go."""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from etls.catalogue import Etl, etl_named
from etls.dates import parse_date
from etls.run_log import NOTHING_NEW
from etls.runner import run_etl, stale_dates
from feeds import feed_named
from lake.files import DailyFile, daily_files
from producer.publish import Published, publish
from warehouse.entry import Parser, run_command
from warehouse.environment import database_url
from warehouse.postgres import ETL, Connection, connect, translated_errors
from warehouse.queries import query
from warehouse.visible import visible

FEED = feed_named("article_events")
ETLS = (etl_named("article_performance"), etl_named("user_performance"))
Draw = Callable[[list[Any], Path], list[Path]]
_DEFAULT_LAKE = "data/lake/"
_REPORTS = "reports"
_RANGE_EXAMPLE = "make articles FROM=2019-02-01 TO=2019-02-28 (or --from … --to …)"
_MOST_SHOWN = 31  # dates of the summary


def main() -> None:
    """Run the command line."""
    run_command(_run)


def _run() -> None:
    arguments = _parser().parse_args()
    # An extra, and slow to import; if it is missing, now is the time to say so.
    from lake.picture import draw  # pylint: disable=import-outside-toplevel

    if arguments.only_picture:
        with connect(database_url(), "article-lake", ETL) as connection:
            _draw(connection, draw, arguments.reports)
        return
    first = parse_date(arguments.first, _RANGE_EXAMPLE) if arguments.first else None
    last = parse_date(arguments.last, _RANGE_EXAMPLE) if arguments.last else None
    files = daily_files(arguments.source, first, last)
    with connect(database_url(), "article-lake", ETL) as connection:
        new = files if arguments.again else unfinished(connection, files)
        left_out = len(files) - len(new)
        print(f"{visible(arguments.source)}: {len(files):,} files, {left_out:,} in already")
        published = _publish(new)
        for etl in ETLS:
            _refresh(connection, etl)
        _draw(connection, draw, arguments.reports)
        _print_summary(connection, files[0].date, files[-1].date)
    if published is not None:
        published.complain()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="run.py",
        description="Publish the article lake's daily files, wait until they are stored, bring"
        " article_performance and user_performance up to date, and draw the picture."
        " Files that are in already are left out, so it can be run again at any time.",
    )
    parser.add_argument(
        "--source",
        default=_DEFAULT_LAKE,
        metavar="LAKE",
        help=f"folder, or s3://bucket/prefix/; default: {_DEFAULT_LAKE}",
    )
    parser.add_argument("--from", dest="first", metavar="DATE", help="first day's file")
    parser.add_argument("--to", dest="last", metavar="DATE", help="last day's file, included")
    parser.add_argument(
        "--again",
        action="store_true",
        help="read the files that are in as well; adds nothing twice",
    )
    parser.add_argument(
        "--reports",
        default=_REPORTS,
        metavar="FOLDER",
        type=Path,
        help=f"where the picture goes; default: {_REPORTS}",
    )
    parser.add_argument(
        "--only-picture", action="store_true", help="draw it from the tables as they are"
    )
    return parser


def unfinished(connection: Connection, files: Sequence[DailyFile]) -> list[DailyFile]:
    """The files of which a row may be missing: new ones, changed ones, and interrupted ones."""
    parameters = {"feed": FEED.name, "sources": [file.path for file in files]}
    with translated_errors(), connection, connection.cursor() as cursor:
        cursor.execute(query("raw/finished_files"), parameters)
        finished = set(cursor.fetchall())
    return [file for file in files if (file.path, file.fingerprint) not in finished]


def _publish(files: Sequence[DailyFile]) -> Published | None:
    """What became of their rows; None: there are no files."""
    if not files:
        return None
    published = publish(FEED, [file.path for file in files])
    print(f"{FEED.name}: {published}")
    if published.total is not None and published.total.dead_lettered:
        published.complain()
    return published


def _refresh(connection: Connection, etl: Etl) -> None:
    dates = stale_dates(connection, etl)
    if not dates:
        print(f"{etl.name}: {NOTHING_NEW}")
        return
    for run in run_etl(connection, etl, dates):
        print(run, flush=True)


def _draw(connection: Connection, draw: Draw, folder: Path) -> None:
    with translated_errors(), connection, connection.cursor() as cursor:
        cursor.execute(query("reports/category_days"))
        days = cursor.fetchall()
    paths = draw(days, folder)
    print("picture: " + (", ".join(map(str, paths)) or "nothing was displayed yet, none is drawn"))


def _print_summary(connection: Connection, first: date, last: date) -> None:
    with translated_errors(), connection, connection.cursor() as cursor:
        cursor.execute(query("reports/article_days"), {"first_date": first, "last_date": last})
        days = cursor.fetchall()
    table = Table(title=f"article lake, {first} to {last}", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("date", "articles", "displays", "clicks", "rate", "users", "sessions", "seconds"):
        table.add_column(name, justify="left" if name == "date" else "right", no_wrap=True)
    for day, articles, displays, clicks, rate, users, sessions, seconds in days[-_MOST_SHOWN:]:
        table.add_row(
            str(day),
            *(f"{count:,}" for count in (articles, displays, clicks)),
            "" if rate is None else f"{rate:.1%}",
            *(f"{count:,}" for count in (users, sessions)),
            "" if seconds is None else f"{seconds:,.0f}",
        )
    if len(days) > _MOST_SHOWN:
        table.caption = f"the last {_MOST_SHOWN} of {len(days):,} dates"
    Console(file=sys.stdout).print(table)
