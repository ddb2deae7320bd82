"""Days that are not clean: bad rows, rows that are there already, a database that goes away."""

import csv
import os
import subprocess
import sys
import threading
import time
from itertools import islice
from pathlib import Path

from bench import programs
from stack.local import LocalStack


def with_bad_rows(path: Path) -> Path:
    """The same file with one row in a thousand broken."""
    dirty = path.with_suffix(".bad.csv")
    with path.open("rb") as source, dirty.open("wb") as target:
        for number, line in enumerate(source, 1):
            target.write(line)
            if number % 1000 == 0 and line.count(b'"') == 0 and line.count(b",") == 7:
                target.write(line.replace(b",User ", b",Abuser ", 1))
    return dirty


def with_duplicates(path: Path) -> Path:
    """The first tenth of the file: when it is in, a tenth of the whole is there already."""
    first = path.with_suffix(".tenth.csv")
    with path.open(encoding="utf-8", newline="") as source:
        tenth = sum(1 for _ in csv.reader(source)) // 10
    with path.open("rb") as source, first.open("wb") as target:
        target.writelines(islice(source, tenth))
    return first


def import_across_restart(path: Path) -> tuple[float, float]:
    """Seconds of an import during which PostgreSQL is stopped at once and started again, and
    seconds from the stop until rows are stored again."""
    postgres = LocalStack(os.environ["STACK_INSTANCE"]).postgres
    programs.start_afresh()
    gap: list[float] = []

    def restart() -> None:
        while programs.stored() < 100_000:
            time.sleep(0.05)
        stopped = time.perf_counter()
        postgres.stop(at_once=True)
        postgres.start()
        before = programs.stored()
        while programs.stored() == before:
            time.sleep(0.05)
        gap.append(time.perf_counter() - stopped)

    with programs.consumers(1):
        restarting = threading.Thread(target=restart)
        restarting.start()
        started = time.perf_counter()
        command = [sys.executable, "-m", "producer", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        restarting.join()
    return seconds, gap[0]
