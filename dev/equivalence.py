"""Whether two trees of this project make the same table of the same events."""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from etls.catalogue import ETLS, Etl
from warehouse.environment import database_url
from warehouse.errors import UsageError, WarehouseError
from warehouse.postgres import Cursor, connect

_ROOT = Path(__file__).resolve().parent.parent
_FIRST, _LAST = "2020-12-05", "2020-12-09"
_ORDER = ("2020-12-07", "2020-12-05", "2020-12-09", "2020-12-06", "2020-12-08")

# Few users, values and instants, so that events meet: at one instant, without a change, late.
_SEED = "SELECT setseed({seed})"
_COMMON = """
    SELECT
        '2020-12-05'::timestamptz + floor(random() * 60) * INTERVAL '2 hours' AS instant,
        '2021-01-01'::timestamptz + {batch} * INTERVAL '1 hour' AS imported_at,
        n AS line,
        floor(random() * 40)::int AS who,
        floor(random() * 6)::int AS what,
        floor(random() * 3)::int AS how,
        random() AS column_1,
        random() AS column_2,
        random() AS column_3
    FROM generate_series(1, 1500) AS n
"""
# What is compared, if it is not the target alone.
_TABLES = {"users_dim": ["crm.user_history"]}
_GENERATORS = {
    "raw.user_events": """
        INSERT INTO raw.user_events (event_id, id, event_type, username, user_email, user_type,
            organization_name, plan_name, received_at, imported_at, line)
        SELECT md5(format('%s %s', {batch}, line))::uuid, 'user ' || who,
            (ARRAY['User Created', 'User Updated', 'User Updated', 'User Updated', 'User Updated',
            'User Deleted'])[what + 1],
            CASE WHEN column_1 > 0.1 THEN 'u' END, CASE WHEN column_1 > 0.2 THEN 'e' END,
            CASE WHEN column_2 > 0.1 THEN 't' END, CASE WHEN column_2 > 0.2 THEN 'o' END,
            CASE WHEN column_3 > 0.1 THEN 'p' END, instant, imported_at, line
        FROM events
    """,
    "raw.article_events": """
        INSERT INTO raw.article_events (event_id, event_time, session_id, event_name, user_id,
            attributes, imported_at, line)
        SELECT md5(format('%s %s', {batch}, line))::uuid, instant + how * INTERVAL '9 minutes',
            NULLIF('s ' || who % 7, 's 0'),
            (ARRAY['top_news_card_viewed', 'my_news_card_viewed', 'article_viewed',
            'article_closed', 'article_viewed', 'x'])[what + 1],
            NULLIF('user ' || who, 'user 0'),
            CASE WHEN how < 2 THEN jsonb_build_object(CASE how WHEN 0 THEN 'id' ELSE 'ID' END,
            (who % 9)::text, CASE WHEN column_1 < 0.5 THEN 'title' ELSE 'Title' END,
            NULLIF(line % 4, 0)::text, CASE WHEN column_2 < 0.5 THEN 'category' ELSE 'Category' END,
            what::text) END,
            imported_at, line
        FROM events
    """,
    "raw.user_interactions": """
        INSERT INTO raw.user_interactions (event_id, interaction_id, user_id, event_type,
            event_time, imported_at, line)
        SELECT md5(format('%s %s', {batch}, line))::uuid, (line % 700)::text, who,
            (ARRAY['VIEW', 'CLICK', 'CLICK', 'EXIT', 'VIEW', 'CLICK'])[what + 1], instant,
            imported_at, line
        FROM events
    """,
    "raw.web_users": """
        INSERT INTO raw.web_users (event_id, user_id, age, country, imported_at, line)
        SELECT md5(format('%s %s', {batch}, line))::uuid, who,
            (ARRAY['20', '18-45', '46-80', '60', NULL, '90'])[what + 1],
            (ARRAY['de', 'GR', NULL])[how + 1], imported_at, line
        FROM events
        WHERE line < 60
    """,
    "raw.activity": """
        INSERT INTO raw.activity (event_id, active_date, user_id, workspace_id, total_activity,
            imported_at, line)
        SELECT md5(format('%s %s', {batch}, line))::uuid, instant::date, 'user ' || who,
            'workspace ' || what, how, imported_at, line
        FROM events
    """,
    "raw.transactions": """
        INSERT INTO raw.transactions (event_id, transaction_id, customer_id, transaction_date,
            product_sold, units_sold, imported_at, line)
        SELECT md5(format('%s %s', {batch}, line))::uuid, line::text, '00' || who, instant::date,
            'product ' || what, how, imported_at, line
        FROM events
    """,
}


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """The files of a commit.

    Raises:
        UsageError: there is no such commit.
    """
    archive = subprocess.run(
        ["git", "archive", commit], cwd=_ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        raise UsageError(f"git archive {commit}: {archive.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        yield Path(folder)


def compare(etl: Etl, old: Path, new: Path) -> None:
    """Run an ETL of two trees over the same events: dates in any order, late events, events that
    go, whole dates again; and compare its table after each step.

    Raises:
        WarehouseError: the tables differ.
    """
    with _database(old, "equivalence_old") as before, _database(new, "equivalence_new") as after:
        for number, step in enumerate(_steps(etl), 1):
            tables = [_after(step, etl, tree, url) for tree, url in ((old, before), (new, after))]
            if tables[0] != tables[1]:
                lines = sorted(set(tables[0]) ^ set(tables[1]))
                raise WarehouseError(
                    f"{etl.target} differs after step {number}, {step[0]}: {len(lines):,} rows,"
                    f" such as {lines[0] if lines else 'one that is there twice'}"
                )
            print(
                f"{etl.name}: {len(tables[0]):,} rows are the same after step {number}, {step[0]}"
            )


Step = tuple[str, list[str], list[list[str]]]  # what it is, its SQL, then commands


def _steps(etl: Etl) -> Iterator[Step]:
    each = [_run(etl, "--date", day) for day in _ORDER] if etl.name in ETLS else [_run(etl)]
    new = [_run(etl, "--stale")] if etl.name in ETLS else [_run(etl)]
    whole = [_run(etl, "--from", _FIRST, "--to", _LAST, "--full")]
    yield "each date", _events(etl, 1), each
    yield "late events", _events(etl, 2), new
    yield "more late events", _events(etl, 3), new
    if etl.name in ETLS:
        feed = etl.inputs[0]
        yield "events have gone", [f"DELETE FROM {feed} WHERE line % 5 = 0"], each
        yield "whole dates again", [], whole


def _events(etl: Etl, batch: int) -> list[str]:
    said = []
    for feed in etl.inputs:
        generator = _GENERATORS[feed].format(batch=batch)
        said += [
            _SEED.format(seed=batch / 10),
            f"WITH events AS ({_COMMON.format(batch=batch)}) {generator}",
        ]
    return said


def _run(etl: Etl, *dates: str) -> list[str]:
    if etl.name in ETLS:
        return ["etls", "run", etl.name, *dates]
    if etl.sql.startswith("aggregates/"):
        return ["etls", "aggregate", etl.name]
    return ["etls", "answers"]


def _after(step: Step, etl: Etl, tree: Path, url: str) -> list[str]:
    _, statements, commands = step
    with connect(url, "equivalence") as connection:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    for command in commands:
        _program(tree, url, *command)
    with connect(url, "equivalence") as connection, connection.cursor() as cursor:
        return [
            row for table in _TABLES.get(etl.name, [etl.target]) for row in _rows(cursor, table)
        ]


def _rows(cursor: Cursor, table: str) -> list[str]:
    cursor.execute(f"SELECT rows::text FROM {table} AS rows ORDER BY 1")
    return [row for row, in cursor]


def _program(tree: Path, url: str, *command: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tree,
        env={**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise WarehouseError(f"{' '.join(command)} in {tree}: {result.stderr.strip()}")


@contextmanager
def _database(tree: Path, name: str) -> Iterator[str]:
    """A database as a tree's migrations make it."""
    server = database_url()
    with connect(server, "equivalence") as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {name}")
            url = urlsplit(str(server))._replace(path=f"/{name}").geturl()
            try:
                _program(tree, url, "warehouse.migrate")
                yield url
            finally:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
