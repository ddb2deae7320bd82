"""What is measured and what it is measured against, as processes and queues of a private stack."""

import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from feeds import feed_named
from stack.local import LocalStack
from stack.looking import channel
from warehouse.message import queue_of

FEED = feed_named("user_events")
QUEUE = queue_of(FEED.name)
_PUBLISHERS = 4  # connections that publish a live stream

# The first 48 bits of an id are milliseconds.
_A_WEEK_BEFORE = """
    INSERT INTO raw.user_events (
        event_id, imported_at, line, id, event_type, username, user_email, user_type,
        organization_name, plan_name, received_at
    )
    SELECT
        (
            lpad(to_hex(
                ('x' || left(digits, 12))::bit(48)::bigint - {week}::bigint * 604800000
            ), 12, '0')
            || substr(digits, 13)
        )::uuid,
        imported_at, line, id, event_type, username, user_email, user_type,
        organization_name, plan_name, received_at - {week} * INTERVAL '7 days'
    FROM (
        SELECT *, replace(event_id::text, '-', '') AS digits
        FROM originals
    ) AS original
    ORDER BY event_id
"""


def execute(statement: str) -> list[tuple[Any, ...]]:
    """Run a statement as the owner of the database; the rows it returns."""
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = list(cursor.fetchall()) if cursor.description else []
    connection.close()
    return rows


def execute_as_administrator(statement: str) -> None:
    """Run a statement that the owner of the database may not."""
    stack = LocalStack(os.environ["STACK_INSTANCE"])
    connection = psycopg2.connect(stack.chosen.administrator_url("warehouse"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def checkpoint() -> None:
    """Leave PostgreSQL nothing to write of what was before."""
    execute_as_administrator("CHECKPOINT")


def stored() -> int:
    """How many user events are in the raw table."""
    return int(execute("SELECT count(*) FROM raw.user_events")[0][0])


def start_afresh() -> None:
    """Empty tables, and nothing left to write for PostgreSQL from the round before."""
    execute(
        "TRUNCATE raw.user_events, raw.rejected_events, raw.imports, raw.receipts,"
        " raw.dead_letters, raw.suspects"
    )
    checkpoint()


def make_file(rows: int) -> tuple[Path, int]:
    """A file of about so many user events, kept for the next time, and how many there are."""
    path = Path(tempfile.gettempdir()) / f"event-warehouse-bench-{rows}.csv"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        with unfinished.open("w", encoding="utf-8") as file:
            command = [sys.executable, "-m", "data.generate", "--user-events", str(rows)]
            subprocess.run(command, stdout=file, check=True)
        unfinished.rename(path)
    with path.open(encoding="utf-8", newline="") as file:
        return path, sum(1 for _ in csv.reader(file)) - 1


def fill_table(weeks: int) -> None:
    """Instead of the events that are there, their copies in each of so many weeks before."""
    execute("CREATE UNLOGGED TABLE originals AS TABLE raw.user_events")
    start_afresh()
    for week in range(1, weeks + 1):
        execute(_A_WEEK_BEFORE.format(week=week))
    execute("DROP TABLE originals")
    execute("VACUUM ANALYZE raw.user_events")
    checkpoint()


@contextmanager
def consumers(count: int) -> Iterator[list[int]]:
    """Consumers that are connected; their process ids."""
    with tempfile.TemporaryDirectory() as folder:
        ready = [Path(folder) / str(number) for number in range(count)]
        processes = [
            subprocess.Popen(  # pylint: disable=consider-using-with  # ended below
                [sys.executable, "-m", "consumer"],
                env={**os.environ, "READY_FILE": str(path), "LOG_LEVEL": "warning"},
            )
            for path in ready
        ]
        while not all(path.exists() for path in ready):
            time.sleep(0.05)
        try:
            yield [process.pid for process in processes]
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


def import_afresh(path: Path, count: int) -> float:
    """Seconds to import a file into empty tables with so many consumers."""
    start_afresh()
    return import_by(path, count)


def import_by(path: Path, count: int) -> float:
    """Seconds from the first byte read to the last row committed, as the producer tells them."""
    with consumers(count):
        command = [sys.executable, "-m", "producer", str(path)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows, rate = re.findall(r"([\d,]+) rows", said)
    return int(rows.replace(",", "")) / int(rate.replace(",", ""))


def peak_of_import(path: Path) -> float:
    """The peak resident MB of a producer that imports a file."""
    with subprocess.Popen(
        [sys.executable, "-m", "producer", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as producer:
        _, status, usage = os.wait4(producer.pid, 0)
        producer.returncode = os.waitstatus_to_exitcode(status)
    assert producer.returncode == 0
    return usage.ru_maxrss / 1024


def fill_queue(path: Path) -> int:
    """Publish the file one JSON message a row, over several connections; how many there are."""
    with channel() as found:
        found.queue_purge(QUEUE)
    publisher = [sys.executable, "-m", "bench.publisher", str(path), str(_PUBLISHERS)]
    processes = [
        subprocess.Popen(  # pylint: disable=consider-using-with  # waited for below
            [*publisher, str(number)], stdout=subprocess.PIPE, text=True
        )
        for number in range(_PUBLISHERS)
    ]
    counts = [int(process.communicate()[0]) for process in processes]
    return sum(counts)  # the queue's own count lags behind


def copy_file(path: Path) -> float:
    """Seconds that psql needs to copy the file into a plain table with a generated key."""
    columns = ", ".join(FEED.columns)
    execute("DROP TABLE IF EXISTS public.baseline")
    execute(
        "CREATE TABLE public.baseline (key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        f" {', '.join(f'{name} text' for name in FEED.columns[:-1])}, received_at timestamptz)"
    )
    copy = f"\\copy public.baseline ({columns}) FROM '{path}' WITH (FORMAT csv, HEADER)"
    seconds = _timed(["psql", "-X", "-q", "-c", copy])
    execute("DROP TABLE public.baseline")
    return seconds


def _timed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def drain_with_bare_pika(count: int) -> float:
    """Seconds in which pika alone takes and acknowledges so many messages, doing nothing."""
    with channel() as found:
        found.basic_qos(prefetch_count=256)
        started = time.perf_counter()
        for number, (method, _, _) in enumerate(found.consume(QUEUE), 1):
            if number % 100 == 0 or number == count:
                found.basic_ack(method.delivery_tag, multiple=True)
            if number == count:
                break
        return time.perf_counter() - started


def drain_by_the_textbook(count: int) -> float:
    """Seconds of validate, INSERT, commit, acknowledge, one message after the other."""
    columns = ("event_id", "imported_at", "line", *FEED.columns)
    insert = (
        f"INSERT INTO raw.user_events ({', '.join(columns)}) VALUES"
        f" (%s, now(), 1, {', '.join(['%s'] * len(FEED.columns))})"
    )
    database = psycopg2.connect(os.environ["DATABASE_URL"])
    with channel() as found, database.cursor() as cursor:
        found.basic_qos(prefetch_count=256)
        started = time.perf_counter()
        for number, (method, properties, body) in enumerate(found.consume(QUEUE), 1):
            event = FEED.model.model_validate(json.loads(body))
            values = (getattr(event, name) for name in FEED.columns)
            cursor.execute(insert, (properties.message_id, *values))
            database.commit()
            found.basic_ack(method.delivery_tag)
            if number == count:
                break
        seconds = time.perf_counter() - started
    database.close()
    return seconds


def drain_with_the_consumer(count: int) -> float:
    """Seconds in which one consumer of ours commits so many events, its start not counted."""
    with consumers(1):
        started = time.perf_counter()
        wait_until_stored(count)
        return time.perf_counter() - started


def wait_until_stored(count: int) -> None:
    """Return when so many user events are in the raw table; looking costs next to nothing."""
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        found = 0
        while found < count:
            time.sleep(0.05)
            cursor.execute("SELECT count(*) FROM raw.user_events")
            ((found,),) = cursor.fetchall()
    connection.close()
