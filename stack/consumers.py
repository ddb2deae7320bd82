"""The consumers of a local stack: any number of the same process, sharing the load."""

import sys
from pathlib import Path

from stack.processes import Daemon, wait_until
from stack.settings import Chosen


class Consumers:
    """Consumers ``consumer-1``, ``consumer-2`` and so on; RabbitMQ deals the messages out."""

    def __init__(self, home: Path, chosen: Chosen) -> None:
        self._home = home
        self._chosen = chosen

    def scale(self, count: int) -> None:
        """Start and stop until ``count`` of them run, and wait until these are connected."""
        for number in range(1, count + 1):
            if self._daemon(number).pid is None:
                self._start(number)
        for path in self._home.glob("consumer-*.pid"):
            number = int(path.stem.removeprefix("consumer-"))
            if number > count:
                self._daemon(number).stop()
                self._ready_file(number).unlink(missing_ok=True)
        for number in range(1, count + 1):
            wait_until(self._ready_file(number).exists, self._daemon(number))

    def running(self) -> int:
        """How many run."""
        numbers = (int(p.stem.removeprefix("consumer-")) for p in self._home.glob("consumer-*.pid"))
        return sum(1 for number in numbers if self._daemon(number).pid is not None)

    def _start(self, number: int) -> None:
        ready_file = self._ready_file(number)
        ready_file.unlink(missing_ok=True)
        self._daemon(number).start(
            [sys.executable, "-m", "consumer"],
            {**self._chosen.environment(), "READY_FILE": str(ready_file)},
        )

    def _daemon(self, number: int) -> Daemon:
        return Daemon(f"consumer-{number}", self._home)

    def _ready_file(self, number: int) -> Path:
        return self._home / f"consumer-{number}.ready"
