"""``make bench``: measure, several rounds in turn, and print medians and ratios.

Every figure stands beside a baseline of the same run: the machine's mood is in both.
"""

import argparse
import json
import os
import statistics
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pika

from bench import programs
from stack.looking import channel as open_channel
from warehouse.message import EXCHANGE, JSON

Measurement = Callable[[], float]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the bulk import")
    parser.add_argument("--events", type=int, default=30_000, help="of the live stream")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["bulk", "live", "latency"])
    arguments = parser.parse_args()
    with programs.consumers(1):
        pass  # declares the queues
    if arguments.only in (None, "bulk"):
        _bulk(programs.make_file(arguments.rows), arguments.rounds)
    if arguments.only in (None, "live"):
        _live(arguments.events, arguments.rounds)
    if arguments.only in (None, "latency"):
        _latency(rate=500, seconds=10)


def _bulk(path: Path, rounds: int) -> None:
    with path.open("rb") as file:
        rows = sum(1 for _ in file) - 1  # about: a name may hold a line break

    def imported(count: int, *, afresh: bool = True) -> float:
        if afresh:
            programs.start_afresh()
        with programs.consumers(count):
            return programs.import_file(path)

    _report(
        f"bulk, {rows:,} rows, rows/s",
        rows,
        _in_turn(
            rounds,
            {
                "psql \\copy": lambda: programs.copy_file(path),
                "1 consumer": lambda: imported(1),
                "the same file again": lambda: imported(1, afresh=False),
                "2 consumers": lambda: imported(2),
                "4 consumers": lambda: imported(4),
            },
        ),
    )
    path.unlink()


def _live(events: int, rounds: int) -> None:
    path = programs.make_file(events)

    def drained(by: Callable[[int], float]) -> float:
        programs.start_afresh()
        count = programs.fill_queue(path)
        return by(count) * events / count

    _report(
        f"live, {events:,} messages of one event, events/s",
        events,
        _in_turn(
            rounds,
            {
                "bare pika": lambda: drained(programs.drain_with_bare_pika),
                "textbook": lambda: drained(programs.drain_by_the_textbook),
                "our consumer": lambda: drained(programs.drain_with_the_consumer),
            },
        ),
    )
    path.unlink()


def _latency(rate: int, seconds: int) -> None:
    """From publishing to visible; events arrive in order, so counting the rows is enough."""
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


if __name__ == "__main__":
    main()
