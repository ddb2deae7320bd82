"""Processes that outlive the command that started them, remembered by a file each."""

import os
import random
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warehouse.errors import UsageError, WarehouseError

_PORTS = 20_000, 32_000  # below those that Linux (from 32768) and IANA give to clients


@dataclass(frozen=True)
class Owner:
    """Who the services run as: PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    def take(self, path: Path) -> Path:
        """Make a folder that belongs to the owner, and that nobody else can look into."""
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, self.uid, self.gid)
        path.chmod(0o700)
        return path

    def take_in_shared_folder(self, path: Path) -> Path:
        """The same in a folder where others may write, such as /var/tmp.

        Raises:
            UsageError: somebody else made it beforehand, and would own what lies in it.
        """
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            # The sticky bit of such a folder keeps others from exchanging what is not theirs.
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), self.uid):
                raise UsageError(
                    f"{path} was made by somebody else, who could read and change what is put"
                    " there: remove it, or move the checkout"
                ) from None
        return self.take(path)

    def write_secret(self, path: Path, text: str) -> None:
        """Write a file that only the owner can read."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)  # it may have been there
            os.fchown(file.fileno(), self.uid, self.gid)
            file.write(text)


class Daemon:
    """A background process; ``pid_file`` names it across commands."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.log = home / f"{name}.log"
        self._pid_file = home / f"{name}.pid"

    @property
    def pid(self) -> int | None:
        """Its process id, or None if it does not run."""
        try:
            pid, started = self._pid_file.read_text("ascii").split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _start_time(int(pid)) == started else None

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], owner: Owner | None = None
    ) -> None:
        """Start it in a session of its own, its output in its log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # pylint: disable=consider-using-with  # it stays
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=owner.uid if owner else None,
                group=owner.gid if owner else None,
                extra_groups=[] if owner and os.geteuid() == 0 else None,
            )
        self._pid_file.write_text(f"{process.pid} {_start_time(process.pid)}", "ascii")
        process.returncode = 0  # it is no longer ours to wait for, and Popen need not warn of it

    def stop(self, how: signal.Signals = signal.SIGTERM, patience: float = 30) -> None:
        """Ask it to stop; kill it if it does not within ``patience`` seconds."""
        if (pid := self.pid) is not None:
            os.kill(pid, how)
            if not self._is_gone_within(patience):
                self.kill()
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it at once, and the processes it started."""
        if (pid := self.pid) is not None:
            os.killpg(pid, signal.SIGKILL)
            self._is_gone_within(10)

    def _is_gone_within(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while self.pid is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.pid is None


def _start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None if there is none, or a dead one.

    Field 22 of /proc/<pid>/stat (proc(5)): a later process with the same id has another.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def wait_until(condition: Callable[[], bool], daemon: Daemon, patience: float = 90) -> None:
    """Wait for a service to be healthy.

    Raises:
        WarehouseError: it ended, or took longer than ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    while not condition():
        if daemon.pid is None or time.monotonic() > deadline:
            problem = "ended" if daemon.pid is None else "is not healthy yet"
            raise WarehouseError(f"{daemon.name} {problem}; see {shown(daemon.log)}")
        time.sleep(0.1)


def free_port() -> int:
    """A port that nobody uses, and that no outgoing connection is given: these come from above."""
    while True:
        port = random.randrange(*_PORTS)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def is_free(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) != 0


def shown(path: Path) -> str:
    return os.path.relpath(path, Path.cwd())
