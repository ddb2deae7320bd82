"""What a user might pick instead, for reference: they copy a file, without a queue in between.

pgloader is Debian's package of that name; dlt is expected in a virtual environment of its own:
``python -m venv .venv/dlt && .venv/dlt/bin/pip install "dlt[postgres]"``.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from bench.programs import FEED, execute

_DLT = Path(".venv/dlt/bin/python")
_DLT_PIPELINE = """
import csv, os, sys
import dlt
from dlt.destinations import postgres

@dlt.resource(name="dlt_user_events", write_disposition="append")
def events():
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)

dlt.pipeline(
    "bench", destination=postgres(os.environ["DATABASE_URL"]), dataset_name="others",
    pipelines_dir=sys.argv[2],
).run(events())
"""


def load_with_pgloader(path: Path) -> float:
    """Seconds that pgloader takes, with its rejects, batches and parallel workers as they are."""
    columns = ", ".join(FEED.columns)
    execute("DROP TABLE IF EXISTS public.others")
    execute(
        "CREATE TABLE public.others (key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        f" {', '.join(f'{name} text' for name in FEED.columns[:-1])}, received_at timestamptz)"
    )
    parts = urlsplit(os.environ["DATABASE_URL"])
    command = path.with_suffix(".load")
    command.write_text(
        f"LOAD CSV FROM '{path}' ({columns}) INTO {parts.geturl()} TARGET TABLE public.others"
        f" ({columns}) WITH skip header = 1, fields optionally enclosed by '\"',"
        " fields escaped by double-quote, fields terminated by ',';",
        "utf-8",
    )
    return _timed(["pgloader", "--no-ssl-cert-verification", str(command)])


def load_with_dlt(path: Path) -> float:
    """Seconds that dlt takes with its defaults."""
    execute("DROP SCHEMA IF EXISTS others CASCADE")
    folder = path.with_suffix(".dlt")
    shutil.rmtree(folder, ignore_errors=True)
    return _timed([str(_DLT), "-c", _DLT_PIPELINE, str(path), str(folder)])


def _timed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


OTHERS: dict[str, tuple[Callable[[], bool], Callable[[Path], float]]] = {
    "pgloader": (lambda: shutil.which("pgloader") is not None, load_with_pgloader),
    "dlt": (_DLT.exists, load_with_dlt),
}
