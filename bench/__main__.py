"""``make bench``: measure, several rounds in turn, and print medians and ratios.

Every figure stands beside a baseline of the same run: the machine's mood is in both.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pika

from bench import aggregates, articles, etls, others, programs, spark
from bench.dirty import import_across_restart, with_bad_rows, with_duplicates
from stack.looking import channel as open_channel
from warehouse.message import EXCHANGE, JSON

Measurement = Callable[[], float]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the bulk import")
    parser.add_argument("--events", type=int, default=60_000, help="of the live stream")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=_PARTS, action="append", help="again for several")
    arguments = parser.parse_args()
    with programs.consumers(1):
        pass  # declares the queues
    for name in arguments.only or _PARTS:
        _PARTS[name](arguments)


def _bulk(arguments: argparse.Namespace) -> None:
    path, rows = programs.make_file(arguments.rows)
    _report(
        f"bulk, {rows:,} rows, rows/s",
        rows,
        _in_turn(
            arguments.rounds,
            {
                "psql \\copy": lambda: programs.copy_file(path),
                "1 consumer": lambda: programs.import_afresh(path, 1),
                "the same file again": lambda: programs.import_by(path, 1),
                "2 consumers": lambda: programs.import_afresh(path, 2),
                "4 consumers": lambda: programs.import_afresh(path, 4),
            },
        ),
    )


def _dirty(arguments: argparse.Namespace) -> None:
    path, rows = programs.make_file(arguments.rows)
    bad = with_bad_rows(path)
    tenth = with_duplicates(path)
    gaps: list[float] = []

    def after_a_tenth() -> float:
        programs.import_afresh(tenth, 1)
        return programs.import_by(path, 1)

    def across_restart() -> float:
        seconds, gap = import_across_restart(path)
        gaps.append(gap)
        return seconds

    _report(
        f"dirty days, {rows:,} rows, one consumer, rows/s",
        rows,
        _in_turn(
            arguments.rounds,
            {
                "psql \\copy": lambda: programs.copy_file(path),
                "clean": lambda: programs.import_afresh(path, 1),
                "0.1 % bad rows": lambda: programs.import_afresh(bad, 1),
                "10 % there already": after_a_tenth,
                "PostgreSQL restarted": across_restart,
            },
        ),
    )
    told = ", ".join(f"{gap:.1f}" for gap in gaps)
    print(f"  seconds from PostgreSQL's immediate stop until rows flowed again: {told}")


def _growth(arguments: argparse.Namespace) -> None:
    path, rows = programs.make_file(arguments.rows)
    small, _ = programs.make_file(arguments.events)

    def into_warm(prepare: Callable[[], None]) -> float:
        # Filling a table takes a minute: after such a pause RabbitMQ needs twice the time.
        prepare()
        programs.import_by(small, 1)
        return programs.import_by(path, 1)

    programs.import_afresh(path, 1)  # PostgreSQL makes its first files of the log
    _report(
        f"growth, {rows:,} rows, one consumer, rows/s",
        rows,
        _in_turn(
            arguments.rounds,
            {
                "into an empty table": lambda: into_warm(programs.start_afresh),
                "ten times as many there": lambda: into_warm(
                    lambda: programs.fill_table(weeks=10)  # from what the measurement before left
                ),
            },
        ),
    )
    programs.start_afresh()


def _memory(_: argparse.Namespace) -> None:
    print("\nmemory, peak resident MB, one consumer")
    for rows in (500_000, 5_000_000):
        path = programs.make_file(rows)[0]
        programs.start_afresh()
        with programs.consumers(1) as (consumer,):
            producer = programs.peak_of_import(path)
            print(f"  {rows:10,} events: producer {producer:.0f}, consumer {_peak(consumer):.0f}")
    path.unlink()


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _others(arguments: argparse.Namespace) -> None:
    path, rows = programs.make_file(arguments.rows)
    measurements: dict[str, Measurement] = {
        "psql \\copy": lambda: programs.copy_file(path),
        "1 consumer": lambda: programs.import_afresh(path, 1),
    }
    for name, (is_there, load) in others.OTHERS.items():
        if is_there():
            measurements[name] = lambda load=load: load(path)  # type: ignore[misc]
        else:
            print(f"{name}: not installed, see bench/others.py")
    _report(f"others, {rows:,} rows, rows/s", rows, _in_turn(arguments.rounds, measurements))


def _etls(_: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        etls.measure(Path(folder))


def _live(arguments: argparse.Namespace) -> None:
    path, events = programs.make_file(arguments.events)

    def drained(by: Callable[[int], float]) -> float:
        programs.start_afresh()
        count = programs.fill_queue(path)
        return by(count) * events / count  # as many as the file is said to have

    _report(
        f"live, {events:,} messages of one event, events/s",
        events,
        _in_turn(
            arguments.rounds,
            {
                "bare pika": lambda: drained(programs.drain_with_bare_pika),
                "textbook": lambda: drained(programs.drain_by_the_textbook),
                "our consumer": lambda: drained(programs.drain_with_the_consumer),
            },
        ),
    )


def _latency(_: argparse.Namespace) -> None:
    """From publishing to visible; events arrive in order, so counting the rows is enough."""
    rate, seconds = 500, 10
    programs.start_afresh()
    published: list[float] = []
    seen: list[float] = []
    total = rate * seconds

    def watch() -> None:
        while len(seen) < total:
            count = programs.stored()
            seen.extend([time.perf_counter()] * (count - len(seen)))

    with programs.consumers(1), open_channel() as channel:
        watcher = threading.Thread(target=watch)
        watcher.start()
        started = time.perf_counter()
        for number in range(total):
            time.sleep(max(0.0, started + number / rate - time.perf_counter()))
            published.append(time.perf_counter())
            _publish_one(channel, number)
        watcher.join()
    waits = sorted(1000 * (end - start) for start, end in zip(published, seen))
    print(f"\nlatency at {rate} events/s, from publishing to visible, ms")
    for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1)):
        print(f"  {name:24} {waits[min(total - 1, int(total * share))]:10.0f}")


def _publish_one(channel: Any, number: int) -> None:
    event = {"event_type": "User Created", "received_at": "2020-12-06 10:00:00"}
    body = json.dumps(event | {"id": str(number)}).encode()
    properties = pika.BasicProperties(content_type=JSON, message_id=str(uuid.uuid4()))
    channel.basic_publish(EXCHANGE, programs.FEED.name, body, properties)


def _in_turn(rounds: int, measurements: dict[str, Measurement]) -> dict[str, list[float]]:
    """Seconds of each, one after the other in every round, so that all share the weather."""
    seconds: dict[str, list[float]] = {name: [] for name in measurements}
    for number in range(rounds):
        for name, measure in measurements.items():
            seconds[name].append(measure())
            print(f"round {number + 1}: {name}: {seconds[name][-1]:.2f} s", flush=True)
    return seconds


def _report(title: str, count: int, seconds: dict[str, list[float]]) -> None:
    """Medians, and the median of the ratios to the first, round by round."""
    print(f"\n{title} ({os.cpu_count()} cores; median of {len(next(iter(seconds.values())))})")
    baseline = next(iter(seconds.values()))
    for name, found in seconds.items():
        ratio = statistics.median(base / own for base, own in zip(baseline, found))
        rates = sorted(count / value for value in found)
        spread = f"{rates[0]:,.0f} to {rates[-1]:,.0f}"
        print(f"  {name:24} {statistics.median(rates):10,.0f}   {spread:24} ratio {ratio:.3f}")


_PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "bulk": _bulk,
    "dirty": _dirty,
    "live": _live,
    "latency": _latency,
    "growth": _growth,
    "memory": _memory,
    "others": _others,
    "etls": _etls,
    "aggregates": lambda arguments: aggregates.measure(arguments.rounds),
    "articles": lambda arguments: articles.measure(arguments.rounds),
    "spark": lambda _: spark.measure(),
}


if __name__ == "__main__":
    main()
