"""``make chaos``: rounds of an import under attack, each compared with its source row by row.

The seed is printed; with it a round can be repeated.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench import programs
from chaos.crew import Crew, start_import
from chaos.faults import FAULTS, Attack, Fault
from chaos.source import compare, make_source
from feeds import feed_named
from producer.encoding import bulk_messages, with_manifest
from producer.sources import open_source
from stack.looking import channel
from warehouse.message import DEAD_LETTERS, Message
from warehouse.outbox import Outbox
from warehouse.rabbitmq import Link

_CONSUMERS = 3
_TWICE, _ANY_ORDER = "every message twice", "messages in any order"
_KINDS: list[Fault | str] = [*FAULTS, _TWICE, _ANY_ORDER]
_PATIENCE = 240.0  # seconds that a round may take


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--longest", type=float, default=60.0, help="outage, in seconds")
    kinds = {_name_of(kind): kind for kind in _KINDS}
    parser.add_argument("--fault", choices=kinds, help="only this one, in every round")
    arguments = parser.parse_args()
    print(f"chaos: seed {arguments.seed}, {arguments.rounds} rounds, {arguments.rows:,} rows each")
    with programs.consumers(1):
        pass  # declares the queues
    started = time.monotonic()
    for number in range(arguments.rounds):
        seed = arguments.seed + number  # consecutive seeds go through all kinds
        kind = kinds[arguments.fault] if arguments.fault else _KINDS[seed % len(_KINDS)]
        _round(number, seed, kind, arguments.rows, arguments.longest)
    minutes = (time.monotonic() - started) / 60
    print(f"chaos: {arguments.rounds} rounds in {minutes:.1f} min: nothing lost, nothing doubled")


def _name_of(kind: Fault | str) -> str:
    return kind if isinstance(kind, str) else kind.__name__.replace("_", " ")


def _round(number: int, seed: int, kind: Fault | str, rows: int, longest: float) -> None:
    dice = random.Random(seed)
    name = _name_of(kind)
    started = time.monotonic()
    programs.start_afresh()
    with tempfile.TemporaryDirectory() as folder:
        path, log = Path(folder) / "events.csv", Path(folder) / "consumers.log"
        expected = make_source(path, rows, seed)
        try:
            note = _play(path, log, kind, dice, longest)
            told = compare(expected)
        except BaseException:
            print(f"round {number + 1} (seed {seed}): {name} FAILED", flush=True)
            print(log.read_text(errors="replace")[-5000:])
            raise
    told = f"{told}, {time.monotonic() - started:.0f} s"
    print(f"round {number + 1} (seed {seed}): {name}{note}: {told}", flush=True)


def _play(path: Path, log: Path, kind: Fault | str, dice: random.Random, longest: float) -> str:
    with Crew(_CONSUMERS, log) as crew:
        note = ""
        if isinstance(kind, str):
            _publish_oddly(path, dice, twice=kind == _TWICE)
        else:
            note = _attack(crew, path, kind, dice, longest)
        _wait_until_drained()
        _audit()  # waits for what is still in a consumer's hands
    return f" ({note})" if note else ""


def _attack(crew: Crew, path: Path, fault: Fault, dice: random.Random, longest: float) -> str:
    """Let a fault strike at a random moment of an import; what the fault says of itself."""
    importing = start_import([path])
    attack = Attack(crew, importing, dice, longest)
    failures: list[BaseException] = []

    def strike() -> None:
        try:
            fault(attack)
        except BaseException as error:  # pylint: disable=broad-exception-caught
            failures.append(error)

    time.sleep(dice.uniform(0.3, 1.5))
    striking = threading.Thread(target=strike)
    striking.start()
    importing.communicate(timeout=_PATIENCE)
    striking.join(_PATIENCE)
    if failures:
        raise failures[0]
    if importing.returncode != 0:  # it was the one that was killed
        again = start_import([path])
        again.communicate(timeout=_PATIENCE)
        assert again.returncode == 0, "the import that was run again failed"
    return attack.note


def _publish_oddly(path: Path, dice: random.Random, *, twice: bool) -> None:
    """Publish every message of the file twice, or once in any order, without waiting for fates."""
    feed = feed_named("user_events")
    imported_at = time.time_ns() // 1000
    with open_source(str(path), feed) as source:
        messages: list[Message] = list(
            with_manifest(feed, source, imported_at, bulk_messages(feed, source, imported_at, 500))
        )
    if not twice:
        dice.shuffle(messages)
    with Link(os.environ["RABBITMQ_URL"], "chaos", [feed.name]) as link:
        outbox = Outbox(link, window=50, patience=60, receipts=None)
        for message in messages:
            outbox.send(message)
            if twice:
                outbox.send(message)  # waits for the first one's confirmation
        outbox.drain()


def _wait_until_drained() -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with channel() as found:
            waiting = sum(
                found.queue_declare(queue, passive=True).method.message_count
                for queue in (programs.QUEUE, DEAD_LETTERS)
            )
        ((manifests,),) = programs.execute("SELECT count(*) FROM raw.imports")
        if waiting == 0 and manifests:
            return
        time.sleep(0.2)
    raise AssertionError("the queue does not get empty")


def _audit() -> None:
    subprocess.run([sys.executable, "-m", "ops", "audit", "--rows", "--quiet"], check=True)


if __name__ == "__main__":
    main()
