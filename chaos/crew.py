"""The processes under attack: consumers that are started again when they die, and an import."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

from chaos.proxy import Proxy
from stack.local import LocalStack

HEARTBEAT = 5  # seconds, of the consumers' connections: short, so that a round can outlast it


class Crew:
    """Consumers behind proxies, supervised as a container engine would."""

    def __init__(self, size: int, log: Path) -> None:
        self.stack = LocalStack(os.environ["STACK_INSTANCE"])
        self.broker = _proxy_of("RABBITMQ_URL")
        self.database = _proxy_of("DATABASE_URL")
        self.exits: list[int] = []  # codes of consumers that were not killed
        self._log = log
        self._folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self._stopping = False
        self._started = 0
        self._processes: list[subprocess.Popen[bytes]] = [self._start() for _ in range(size)]
        self._supervisor = threading.Thread(target=self._supervise)

    def __enter__(self) -> "Crew":
        self._supervisor.start()
        while len(list(Path(self._folder.name).iterdir())) < len(self._processes):
            time.sleep(0.05)  # until all are connected
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping = True
        self._supervisor.join()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()
        self._folder.cleanup()

    def kill(self, count: int, dice: random.Random) -> None:
        """End so many consumers as the power going would."""
        for process in dice.sample(self._processes, count):
            process.kill()

    def terminate(self, dice: random.Random) -> float:
        """Ask a consumer to stop; in how many seconds it did, with exit code 0."""
        process = dice.choice(self._processes)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        while process.returncode is None:
            time.sleep(0.02)
            process.poll()
        if process.returncode != 0:
            raise AssertionError(f"a consumer told to stop exited with {process.returncode}")
        return time.monotonic() - started

    def _start(self) -> subprocess.Popen[bytes]:
        self._started += 1
        environment = {
            **os.environ,
            "READY_FILE": f"{self._folder.name}/{self._started}",
            "DATABASE_URL": _through("DATABASE_URL", self.database),
            "RABBITMQ_URL": _through("RABBITMQ_URL", self.broker) + f"?heartbeat={HEARTBEAT}",
        }
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "consumer"], env=environment, stdout=log, stderr=log
            )

    def _supervise(self) -> None:
        while not self._stopping:
            for number, process in enumerate(self._processes):
                if process.poll() is not None:
                    self.exits.append(process.returncode)
                    self._processes[number] = self._start()
            time.sleep(0.1)


def start_import(sources: Sequence[Path]) -> subprocess.Popen[str]:
    """An import on its way, straight to the broker."""
    return subprocess.Popen(
        [sys.executable, "-m", "producer", *map(str, sources)],
        env={**os.environ, "PATIENCE_SECONDS": "300", "CHUNK_ROWS": "500"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _proxy_of(variable: str) -> Proxy:
    parts = urlsplit(os.environ[variable])
    return Proxy(parts.hostname or "127.0.0.1", parts.port or 0)


def _through(variable: str, proxy: Proxy) -> str:
    parts = urlsplit(os.environ[variable])
    address = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
    return urlunsplit(parts._replace(netloc=address))
