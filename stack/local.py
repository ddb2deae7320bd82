"""``python -m stack.local``: PostgreSQL, RabbitMQ and the consumer as private processes.

Everything lives under ``.local/<instance>`` of this checkout, on free ports of 127.0.0.1.
"""

import argparse
import fcntl
import hashlib
import os
import pwd
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.consumers import Consumers
from stack.processes import Owner, free_port, is_free, shown
from stack.servers import Postgres, RabbitMQ, postgres_programs
from stack.settings import Chosen
from warehouse.entry import run_command
from warehouse.errors import UsageError, WarehouseError
from warehouse.migrate import describe, migrate

CHECKOUT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the command line."""
    run_command(_dispatch)


def _dispatch() -> None:
    parser = argparse.ArgumentParser(prog="python -m stack.local", description=__doc__)
    parser.add_argument("--instance", default="main")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start what does not run")
    up.add_argument("--no-consumer", action="store_true")
    up.add_argument(
        "--tls",
        metavar="FOLDER",
        type=Path,
        help="nothing but TLS: with ca.pem, server.pem and server.key for 127.0.0.1",
    )
    commands.add_parser("down", help="stop everything").add_argument(
        "--keep-data", action="store_true"
    )
    commands.add_parser("consumers", help="run so many consumers").add_argument("count", type=int)
    commands.add_parser("env", help="print export lines for a shell")
    commands.add_parser("logs", help="follow the logs").add_argument(
        "--no-follow", action="store_true"
    )
    commands.add_parser("exec", help="run a command with the settings of the stack").add_argument(
        "argv", nargs=argparse.REMAINDER
    )
    arguments = parser.parse_args()
    stack = LocalStack(arguments.instance)
    match arguments.command:
        case "up":
            stack.up(consumers=0 if arguments.no_consumer else 1, tls=arguments.tls)
        case "down":
            stack.down(keep_data=arguments.keep_data)
        case "consumers":
            stack.scale(arguments.count)
        case "env":
            for name, value in stack.chosen.environment().items():
                print(f"export {name}={shlex.quote(value)}")
        case "logs":
            stack.show_logs(follow=not arguments.no_follow)
        case "exec":
            stack.execute(arguments.argv)


class LocalStack:
    """The services of one instance: ``main`` for people, others for tests."""

    def __init__(self, instance: str) -> None:
        self.owner = _service_owner()
        self.home = _home(self.owner) / instance
        self.chosen = Chosen(self.home / "settings", Owner(os.geteuid(), os.getegid()))
        self.postgres = Postgres(self.home, self.owner, self.chosen)
        self.rabbitmq = RabbitMQ(self.home, self.owner, self.chosen)
        self.consumers = Consumers(self.home, self.chosen)

    def up(self, consumers: int = 1, tls: Path | None = None) -> None:
        """Start what does not run, wait until it is healthy, migrate the database."""
        self.owner.take(self.home)
        with self._locked():
            self._choose_settings(tls)
            self.rabbitmq.start()  # the slower one first
            self.postgres.start()
            self.rabbitmq.wait()
            print(describe(migrate(self.chosen.database_url("warehouse"))))
            self.consumers.scale(max(consumers, self.consumers.running()))
        print(f"stack: up, in {shown(self.home)}")

    def down(self, keep_data: bool) -> None:
        """Stop everything, and remove it unless the data is kept."""
        if not self.home.exists():
            print("stack: nothing to stop")
            return
        with self._locked():
            self.consumers.scale(0)
            self.rabbitmq.stop()
            self.postgres.stop()
            if not keep_data:
                shutil.rmtree(self.home)
                _remove_if_empty(self.home.parent)
        print(f"stack: stopped, data {'kept' if keep_data else 'removed'}")

    def scale(self, count: int) -> None:
        """Let so many consumers share the load."""
        self.chosen.environment()  # says so if there is no stack
        with self._locked():
            self.consumers.scale(count)
        print(f"consumers: {self.consumers.running()}")

    def execute(self, argv: list[str]) -> None:
        """Become the command, with the settings of this stack."""
        if not argv:
            raise UsageError("exec: name a command")
        os.environ.update(self.chosen.environment(), STACK_INSTANCE=self.home.name)
        scripts = os.path.dirname(sys.executable)
        os.environ["PATH"] = f"{scripts}:{os.environ['PATH']}:{postgres_programs()}"
        sys.stdout.flush()
        try:
            os.execvp(argv[0], argv)
        except FileNotFoundError:
            raise UsageError(f"{argv[0]}: no such command") from None

    def show_logs(self, follow: bool) -> None:
        """Show the end of every log."""
        logs = [str(path) for path in sorted(self.home.glob("*.log"))]
        if not logs:
            raise UsageError("there are no logs; run make setup")
        subprocess.run(["tail", "-n", "50", *(["-F"] if follow else []), *logs], check=False)

    def _choose_settings(self, tls: Path | None) -> None:
        chosen = self.chosen.read() or {
            name: secrets.token_urlsafe(18) for name in ("password", "administrator_password")
        }
        if "administrator_password" not in chosen:
            raise UsageError(
                "this stack was set up by an older version, where the owner of the warehouse was a"
                " superuser: type make teardown, then make setup, and import again"
            )
        if tls is not None:
            chosen["tls"] = str(self._take_certificates(tls))
        for service, daemon in (
            ("postgres", self.postgres.daemon),
            ("rabbitmq", self.rabbitmq.daemon),
            ("distribution", self.rabbitmq.daemon),
            ("epmd", self.rabbitmq.epmd),
        ):
            if daemon.pid is None and not (service in chosen and is_free(int(chosen[service]))):
                chosen[service] = str(free_port())
        self.chosen.write(chosen)

    def _take_certificates(self, folder: Path) -> Path:
        """Copies that the servers can read, and accept: a key must be its owner's alone."""
        mine = self.owner.take(self.home / "tls")
        for name in ("ca.pem", "server.pem", "server.key"):
            self.owner.write_secret(mine / name, (folder / name).read_text("ascii"))
        return mine

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Two commands on the same stack take turns."""
        with (self.home / "lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _service_owner() -> Owner:
    if os.geteuid() != 0:
        return Owner(os.geteuid(), os.getegid())
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
            return Owner(user.pw_uid, user.pw_gid)
        except KeyError:
            continue
    raise WarehouseError("PostgreSQL does not run as root: call make as another user")


def _home(owner: Owner) -> Path:
    """``.local``, or a link of that name to a folder that the owner can reach."""
    local = CHECKOUT / ".local"
    if not local.exists() and not _can_reach(CHECKOUT, owner):
        digest = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
        elsewhere = owner.take_in_shared_folder(Path("/var/tmp") / f"event-warehouse-{digest}")
        local.unlink(missing_ok=True)
        local.symlink_to(elsewhere)
    return local.resolve()  # the way by the link leads through the closed folder


def _remove_if_empty(home: Path) -> None:
    local = CHECKOUT / ".local"
    if not any(home.iterdir()):
        home.rmdir()
        if local.is_symlink():
            local.unlink()


def _can_reach(folder: Path, owner: Owner) -> bool:
    """Whether every folder on the way lets the owner through."""
    for path in (folder, *folder.parents):
        status = path.stat()
        bit = 0o100 if status.st_uid == owner.uid else 0o010 if status.st_gid == owner.gid else 1
        if not status.st_mode & bit:
            return False
    return True


if __name__ == "__main__":
    main()
