"""``python -m stack.spark``: a Spark cluster of private processes, from the PySpark package.

A standalone master and workers under ``.local/spark-<instance>``, on free ports of 127.0.0.1.
"""

import argparse
import json
import shutil
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path

from stack.local import CHECKOUT
from stack.processes import Daemon, free_port, wait_until
from warehouse.entry import run_command
from warehouse.errors import UsageError

_LOOPBACK = "127.0.0.1"
_CLASS = "org.apache.spark.deploy"


def main() -> None:
    """Run the command line."""
    run_command(_dispatch)


def _dispatch() -> None:
    parser = argparse.ArgumentParser(prog="python -m stack.spark", description=__doc__)
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("--instance", default="main")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    cluster = SparkCluster(arguments.instance)
    if arguments.command == "up":
        print(cluster.up(arguments.workers))
    else:
        cluster.down()


class SparkCluster:
    """A master, and workers of one core and 1 GB each."""

    def __init__(self, instance: str) -> None:
        self._home = CHECKOUT / ".local" / f"spark-{instance}"
        self.work = self._home / "work"  # where executors work
        self._master = Daemon("master", self._home)

    def up(self, workers: int) -> str:
        """Start it if it does not run, and wait for its workers; the master's address."""
        address = self._home / "address"
        if self._master.pid is None:
            self._home.mkdir(parents=True, exist_ok=True)
            port, page = free_port(), free_port()
            address.write_text(f"spark://{_LOOPBACK}:{port}\n{page}", "ascii")
            self._start(self._master, f"{_CLASS}.master.Master", port, page)
        url, page_port = address.read_text("ascii").split("\n")
        wait_until(lambda: _alive_workers(page_port) is not None, self._master)
        for number in range(1, workers + 1):
            worker = Daemon(f"worker-{number}", self._home)
            if worker.pid is None:
                size = ["--cores", "1", "--memory", "1g", "--work-dir", str(self.work)]
                kind = f"{_CLASS}.worker.Worker"
                self._start(worker, kind, free_port(), free_port(), *size, url)
        wait_until(lambda: (_alive_workers(page_port) or 0) >= workers, self._master)
        return url

    def down(self) -> None:
        """Stop it, and remove what it has written."""
        for path in sorted(self._home.glob("*.pid"), reverse=True):  # workers first
            Daemon(path.stem, self._home).stop()
        shutil.rmtree(self._home, ignore_errors=True)

    @staticmethod
    def _start(daemon: Daemon, kind: str, port: int, page: int, *more: str) -> None:
        where = ["--host", _LOOPBACK, "--port", str(port), "--webui-port", str(page)]
        environment = {"SPARK_LOCAL_IP": _LOOPBACK, "SPARK_HOME": str(_spark_home())}
        daemon.start([f"{_spark_home()}/bin/spark-class", kind, *where, *more], environment)


def _spark_home() -> Path:
    found = find_spec("pyspark")
    if found is None or found.origin is None:
        raise UsageError("PySpark is not installed: .venv/bin/pip install '.[spark]'")
    return Path(found.origin).parent


def _alive_workers(page_port: str) -> int | None:
    """How many workers the master knows; None: it does not answer yet."""
    with closing(HTTPConnection(_LOOPBACK, int(page_port), timeout=5)) as connection:
        try:
            connection.request("GET", "/json/")
            return int(json.load(connection.getresponse())["aliveworkers"])
        except (OSError, HTTPException, ValueError):  # at first it answers with a page
            return None


if __name__ == "__main__":
    main()
