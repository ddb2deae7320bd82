"""The cost of ETLs: a day among many, a late event, a back-fill, and dbt's snapshot beside it."""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bench import days
from bench.programs import checkpoint, execute, execute_as_administrator

_DAYS = 30
_EVENTS = (3_000_000 - days.USERS) // _DAYS
_DBT = Path(sys.prefix) / "dbt" / "bin" / "dbt"

# As crm.users_dim is.
_TABLE_BY_HAND = """
    CREATE TABLE crm.by_hand (LIKE crm.users_dim INCLUDING CONSTRAINTS)
        PARTITION BY LIST (is_valid);
    CREATE TABLE crm.by_hand_valid PARTITION OF crm.by_hand (PRIMARY KEY (id)) FOR VALUES IN (true)
        WITH (fillfactor = 50);
    CREATE TABLE crm.by_hand_past PARTITION OF crm.by_hand (PRIMARY KEY (id, valid_from))
        FOR VALUES IN (false);
    CREATE INDEX ON crm.by_hand_past USING brin (valid_to)
"""
_BY_HAND = """
    INSERT INTO crm.by_hand (
        event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
        valid_to, is_valid, is_deleted
    )
    SELECT
        event_id, id, username, user_email, user_type, organization_name, plan_name, received_at,
        lead(received_at) OVER life, lead(received_at) OVER life IS NULL, is_deleted
    FROM (
        SELECT *, lag(state) OVER (PARTITION BY id ORDER BY received_at) AS state_before
        FROM (
            SELECT DISTINCT ON (id, received_at)
                *,
                event_type = 'User Deleted' AS is_deleted,
                ROW(
                    username, user_email, user_type, organization_name, plan_name,
                    event_type = 'User Deleted'
                ) AS state
            FROM raw.user_events
            ORDER BY
                id,
                received_at,
                array_position(
                    ARRAY['User Created', 'User Updated', 'User Deleted'], event_type
                ) DESC,
                imported_at DESC,
                line DESC
        ) AS winners
    ) AS compared
    WHERE state_before IS NULL OR state IS DISTINCT FROM state_before
    WINDOW life AS (PARTITION BY id ORDER BY received_at)
"""

# As after a restore, or until autovacuum has come by.
_FORGET_IDS = "DELETE FROM pg_statistic WHERE starelid = 'crm.users_dim_past'::regclass"

_PROJECT = """
name: rival
version: "1.0.0"
config-version: 2
profile: rival
snapshot-paths: ["snapshots"]
flags:
  send_anonymous_usage_stats: false
"""
_PROFILE = """
rival:
  target: bench
  outputs:
    bench:
      type: postgres
      host: "{{ env_var('PGHOST') }}"
      port: "{{ env_var('PGPORT') | int }}"
      user: "{{ env_var('PGUSER') }}"
      password: "{{ env_var('PGPASSWORD') }}"
      dbname: warehouse
      schema: dbt
      threads: 1
"""
_SNAPSHOT = """
{% snapshot users %}
{{ config(
    target_schema='dbt', unique_key='id', strategy='timestamp', updated_at='received_at'
) }}
SELECT DISTINCT ON (id)
    id, event_type = 'User Deleted' AS is_deleted, username, user_email, user_type,
    organization_name, plan_name, received_at
FROM raw.user_events
WHERE received_at >= '{{ var("day") }}'::date AND received_at < '{{ var("day") }}'::date + 1
ORDER BY id, received_at DESC
{% endsnapshot %}
"""


def measure(folder: Path) -> None:
    """Print how long everything takes, process start included; ``folder`` is for dbt's project."""
    days.fill(_DAYS, _EVENTS)
    print(f"\nusers_dim: {days.USERS:,} users, then {_DAYS} days of {_EVENTS:,} events, seconds")
    rival = _write_project(folder) if _DBT.exists() else None
    ours, theirs = [], []
    for number in range(_DAYS + 1):  # in turn, so both have the machine's good and bad minutes
        ours.append(_run("--date", str(days.day(number))))
        if rival:
            theirs.append(_snapshot(rival, number))
    print(f"  day 0 {ours[0]:6.2f}" + (f"   dbt snapshot {theirs[0]:6.2f}" if theirs else ""))
    for number in (3, 14, 28):
        beside = f"   dbt snapshot {_around(theirs, number):6.2f}" if theirs else ""
        print(f"  days {number - 1} to {number + 1}, median {_around(ours, number):6.2f}{beside}")
    if theirs:
        of_all = statistics.median(theirs[1:]) / statistics.median(ours[1:])
        print(f"  dbt to ours, medians of days 1 to {_DAYS}: {of_all:.2f}")
    _measure_late_events(_measure_growth())
    _measure_backfill()


def _measure_growth() -> list[float]:
    """Days 26 to 30 and days 1 to 5 in turn, in copies of the database, so that both have the
    same machine; how long the first run of each day took in the database itself."""
    days.forget()
    first_runs = [_run("--date", str(days.day(0)))]
    _copy_database("after_day_0")
    for number in range(1, _DAYS - 4):
        first_runs.append(_run("--date", str(days.day(number))))
    pairs = []
    for _ in range(3):
        late, early = _copy_database("late"), _copy_database("early", "after_day_0")
        for number in range(1, 6):
            pairs.append(
                (
                    _run("--date", str(days.day(number + _DAYS - 5)), database=late),
                    _run("--date", str(days.day(number)), database=early),
                )
            )
    for name in ("late", "early", "after_day_0"):
        execute(f"DROP DATABASE {name}")
    for number in range(_DAYS - 4, _DAYS + 1):
        first_runs.append(_run("--date", str(days.day(number))))
    ratio = statistics.median(late / early for late, early in pairs)
    print("  days 26 to 30 and 1 to 5: " + ", ".join(f"{a:.2f} {b:.2f}" for a, b in pairs))
    print(f"  the late ones to the early ones, median {ratio:.2f}")
    return first_runs


def _copy_database(name: str, source: str = "warehouse") -> str:
    """Where a copy of a database is, instead of what had its name."""
    execute(f"DROP DATABASE IF EXISTS {name}")
    execute(f"CREATE DATABASE {name} TEMPLATE {source}")
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def _around(seconds: Sequence[float], number: int) -> float:
    return statistics.median(seconds[number - 1 : number + 2])


def _measure_late_events(first_runs: Sequence[float]) -> None:
    print(f"  day 3 again, nothing new {_run('--date', str(days.day(3))):6.2f}")
    pairs = []
    for number in range(3, 8):
        days.add_events(number, 1000, 0.5 + number / 100)
        execute_as_administrator(_FORGET_IDS)
        pairs.append((_run("--date", str(days.day(number))), first_runs[number]))
    print(
        "  days 3 to 7 again, 1,000 late events each, and their first runs: "
        + ", ".join(f"{again:.2f} {first:.2f}" for again, first in pairs)
    )
    ratio = statistics.median(again / first for again, first in pairs)
    print(f"  the one to the other, median {ratio:.2f}")
    before = days.fingerprint()
    print(f"  day 3 again, --full {_run('--date', str(days.day(3)), '--full'):6.2f}")
    print(f"  the same result: {days.fingerprint() == before}")


def _measure_backfill() -> None:
    before = days.fingerprint()
    pairs = []
    for _ in range(5):  # one and the same query varies by a third
        days.forget()
        backfill = _run("--from", str(days.day(0)), "--to", str(days.day(_DAYS)))
        if days.fingerprint() != before:
            raise SystemExit("a back-fill has another result than the days one by one")
        execute(_TABLE_BY_HAND)
        checkpoint()
        started = time.perf_counter()
        execute(f"SET work_mem = '128MB'; {_BY_HAND}")
        pairs.append((backfill, time.perf_counter() - started))
        execute("DROP TABLE crm.by_hand")
    print(
        f"  all {_DAYS + 1} days in one command, and one window query by hand into a table of the"
        f" same definition: " + ", ".join(f"{ours:.2f} {by_hand:.2f}" for ours, by_hand in pairs)
    )
    ratio = statistics.median(ours / by_hand for ours, by_hand in pairs)
    print(f"  the one to the other, median {ratio:.2f}; the same result")


def _run(*arguments: str, database: str | None = None) -> float:
    command = [sys.executable, "-m", "etls", "run", "users_dim", *arguments]
    return _timed(command, {"DATABASE_URL": database} if database else {})


def _snapshot(project: Path, number: int) -> float:
    command = [str(_DBT), "snapshot", "--vars", f'{{"day": "{days.day(number)}"}}']
    return _timed([*command, "--project-dir", str(project), "--profiles-dir", str(project)], {})


def _timed(command: list[str], settings: Mapping[str, str]) -> float:
    environment = {**os.environ, **settings}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed, Python has compiled too
    started = time.perf_counter()
    result = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if result.returncode:
        raise SystemExit(re.sub(r"\s+", " ", result.stdout + result.stderr)[-500:])
    return seconds


def _write_project(folder: Path) -> Path:
    (folder / "snapshots").mkdir()
    (folder / "dbt_project.yml").write_text(_PROJECT, "utf-8")
    (folder / "profiles.yml").write_text(_PROFILE, "utf-8")
    (folder / "snapshots" / "users.sql").write_text(_SNAPSHOT, "utf-8")
    return folder
