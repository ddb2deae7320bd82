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
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.processes import Daemon, Owner
from warehouse.entry import run_command
from warehouse.errors import UsageError, WarehouseError
from warehouse.migrate import migrate
from warehouse.postgres import connect

CHECKOUT = Path(__file__).resolve().parent.parent
_SUPERUSER = "warehouse"


def main() -> None:
    """Run the command line."""
    run_command(_dispatch)


def _dispatch() -> None:
    parser = argparse.ArgumentParser(prog="python -m stack.local", description=__doc__)
    parser.add_argument("--instance", default="main")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start what does not run").add_argument(
        "--no-consumer", action="store_true"
    )
    commands.add_parser("down", help="stop everything").add_argument(
        "--keep-data", action="store_true"
    )
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
            stack.up(consumers=0 if arguments.no_consumer else 1)
        case "down":
            stack.down(keep_data=arguments.keep_data)
        case "env":
            for name, value in stack.environment().items():
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
        self.postgres = _Postgres(self)
        self.rabbitmq = _RabbitMQ(self)
        self.consumer = Daemon("consumer", self.home)
        self._ready_file = self.home / "consumer.ready"

    def up(self, consumers: int = 1) -> None:
        """Start what does not run, wait until it is healthy, migrate the database."""
        self.owner.take(self.home)
        with self._locked():
            self._choose_settings()
            self.rabbitmq.start()  # the slower one first
            self.postgres.start()
            self.rabbitmq.wait()
            applied = migrate(self.environment()["DATABASE_URL"])
            print(f"database: {len(applied)} migrations applied")
            if consumers and self.consumer.pid is None:
                self._start_consumer()
        print(f"stack: up, in {_shown(self.home)}")

    def down(self, keep_data: bool) -> None:
        """Stop everything, and remove it unless the data is kept."""
        if not self.home.exists():
            print("stack: nothing to stop")
            return
        with self._locked():
            self.consumer.stop()
            self._ready_file.unlink(missing_ok=True)
            self.rabbitmq.stop()
            self.postgres.stop()
            if not keep_data:
                shutil.rmtree(self.home)
        print(f"stack: stopped, data {'kept' if keep_data else 'removed'}")

    def environment(self) -> dict[str, str]:
        """The settings that name this stack to the service and to other clients.

        Raises:
            UsageError: the stack has not been set up.
        """
        try:
            lines = (self.home / "settings").read_text("utf-8").splitlines()
        except FileNotFoundError:
            raise UsageError("the stack is not set up; run make setup") from None
        chosen = dict(line.split("=", 1) for line in lines)
        password, broker = chosen["password"], chosen["rabbitmq"]
        return {
            "DATABASE_URL": self.database_url("warehouse"),
            "RABBITMQ_URL": f"amqp://{_SUPERUSER}:{password}@127.0.0.1:{broker}/%2F",
            "PGHOST": "127.0.0.1",
            "PGPORT": chosen["postgres"],
            "PGUSER": _SUPERUSER,
            "PGPASSWORD": password,
            "PGDATABASE": "warehouse",
        }

    def database_url(self, database: str) -> str:
        """The URL of a database on this stack's server."""
        password, port = self.chosen("password"), self.chosen("postgres")
        return f"postgresql://{_SUPERUSER}:{password}@127.0.0.1:{port}/{database}"

    def execute(self, argv: list[str]) -> None:
        """Become the command, with the settings of this stack."""
        if not argv:
            raise UsageError("exec: name a command")
        os.environ.update(self.environment(), STACK_INSTANCE=self.home.name)
        scripts = os.path.dirname(sys.executable)
        os.environ["PATH"] = f"{scripts}:{os.environ['PATH']}:{_postgres_programs()}"
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

    def chosen(self, name: str) -> str:
        """A setting that was chosen when the stack was set up."""
        lines = (self.home / "settings").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)[name]

    def _choose_settings(self) -> None:
        path = self.home / "settings"
        if not path.exists():
            chosen = {"password": secrets.token_urlsafe(18)}
        else:
            chosen = dict(line.split("=", 1) for line in path.read_text("utf-8").splitlines())
        for service, pid in (
            ("postgres", self.postgres.daemon.pid),
            ("rabbitmq", self.rabbitmq.daemon.pid),
            ("distribution", self.rabbitmq.daemon.pid),
            ("epmd", self.rabbitmq.epmd.pid),
        ):
            if pid is None and not (service in chosen and _is_free(int(chosen[service]))):
                chosen[service] = str(_free_port())
        path.touch(mode=0o600)
        path.write_text("".join(f"{k}={v}\n" for k, v in chosen.items()), "utf-8")

    def _start_consumer(self) -> None:
        self._ready_file.unlink(missing_ok=True)
        self.consumer.start(
            [sys.executable, "-m", "consumer"],
            {**self.environment(), "READY_FILE": str(self._ready_file)},
        )
        wait_until(self._ready_file.exists, self.consumer)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Two commands on the same stack take turns."""
        with (self.home / "lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class _Postgres:
    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._data = stack.home / "postgres"
        self.daemon = Daemon("postgres", stack.home)

    def start(self) -> None:
        if self.daemon.pid is None:
            if not (self._data / "PG_VERSION").exists():
                self._initialise()
            port = self._stack.chosen("postgres")
            options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
            settings = [f"--{name}={value}" for name, value in options.items()]
            self.daemon.start(
                [f"{_postgres_programs()}/postgres", "-D", str(self._data), *settings],
                {},
                self._stack.owner,
            )
        maintenance = self._stack.database_url("postgres")
        wait_until(lambda: _accepts(maintenance), self.daemon)
        self._create_database(maintenance)

    def stop(self, *, at_once: bool = False) -> None:
        # To PostgreSQL, SIGTERM means: wait until every client has left; SIGINT: send them away;
        # SIGQUIT: drop everything, as in a crash.
        self.daemon.stop(signal.SIGQUIT if at_once else signal.SIGINT)

    def _initialise(self) -> None:
        self._stack.owner.take(self._data)
        password = self._data.with_suffix(".password")
        password.touch(mode=0o600)
        os.chown(password, self._stack.owner.uid, self._stack.owner.gid)
        password.write_text(self._stack.chosen("password"), "utf-8")
        command = [f"{_postgres_programs()}/initdb", "-D", str(self._data), "-U", _SUPERUSER]
        command += ["--auth=scram-sha-256", f"--pwfile={password}"]
        _run_quietly([*command, "--encoding=UTF8", "--locale=C"], self._stack.owner)
        password.unlink()

    @staticmethod
    def _create_database(maintenance: str) -> None:
        with connect(maintenance, "stack") as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT FROM pg_database WHERE datname = 'warehouse'")
                if cursor.fetchone() is None:
                    cursor.execute("CREATE DATABASE warehouse")


class _RabbitMQ:
    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._home = stack.home / "rabbitmq"
        self.daemon = Daemon("rabbitmq", stack.home)
        self.epmd = Daemon("epmd", stack.home)

    def start(self) -> None:
        if self.daemon.pid is not None:
            return
        self._stack.owner.take(self._home)
        self._configure()
        if self.epmd.pid is None:
            port = self._stack.chosen("epmd")
            self.epmd.start(["epmd", "-port", port, "-address", "127.0.0.1"], {}, self._stack.owner)
        self.daemon.start([_rabbitmq_server()], self._environment(), self._stack.owner)

    def wait(self) -> None:
        port = int(self._stack.chosen("rabbitmq"))
        wait_until(lambda: not _is_free(port), self.daemon)

    def stop(self) -> None:
        self.daemon.stop()
        self.epmd.stop()

    def _configure(self) -> None:
        password, port = self._stack.chosen("password"), self._stack.chosen("rabbitmq")
        (self._home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{port}\n"
            f"default_user = {_SUPERUSER}\ndefault_pass = {password}\n",
            "utf-8",
        )
        (self._home / "plugins").write_text("[].\n", "ascii")
        (self._home / "env.conf").write_text("", "ascii")
        for name in ("rabbitmq.conf", "plugins", "env.conf"):
            os.chown(self._home / name, self._stack.owner.uid, self._stack.owner.gid)

    def _environment(self) -> dict[str, str]:
        home = str(self._home)
        return {
            "HOME": home,  # of the Erlang cookie
            "RABBITMQ_NODENAME": "warehouse@localhost",
            "RABBITMQ_CONF_ENV_FILE": f"{home}/env.conf",  # not the system's
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{home}/data",
            "RABBITMQ_LOG_BASE": f"{home}/log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": f"{home}/pid",
            "RABBITMQ_DIST_PORT": self._stack.chosen("distribution"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": self._stack.chosen("epmd"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }


def wait_until(condition: Callable[[], bool], daemon: Daemon, patience: float = 90) -> None:
    """Wait for a service to be healthy.

    Raises:
        WarehouseError: it ended, or took longer than ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    while not condition():
        if daemon.pid is None or time.monotonic() > deadline:
            problem = "ended" if daemon.pid is None else "is not healthy yet"
            raise WarehouseError(f"{daemon.name} {problem}; see {_shown(daemon.log)}")
        time.sleep(0.1)


def _accepts(url: str) -> bool:
    try:
        with connect(url, "stack"):
            return True
    except WarehouseError:
        return False


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
        elsewhere = owner.take(Path("/var/tmp") / f"event-warehouse-{digest}")
        local.unlink(missing_ok=True)
        local.symlink_to(elsewhere)
    return local


def _can_reach(folder: Path, owner: Owner) -> bool:
    """Whether every folder on the way lets the owner through."""
    for path in (folder, *folder.parents):
        status = path.stat()
        bit = 0o100 if status.st_uid == owner.uid else 0o010 if status.st_gid == owner.gid else 1
        if not status.st_mode & bit:
            return False
    return True


def _postgres_programs() -> str:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    program = str(found[-1]) if found else shutil.which("initdb")
    if program is None:
        raise WarehouseError("PostgreSQL is not installed; run make setup")
    return os.path.dirname(program)


def _version(initdb: Path) -> int:
    name = initdb.parent.parent.name
    return int(name) if name.isdigit() else 0


def _rabbitmq_server() -> str:
    # Not Debian's wrapper in /usr/sbin, which wants to be root or the system's own service.
    direct = "/usr/lib/rabbitmq/bin/rabbitmq-server"
    program = direct if os.access(direct, os.X_OK) else shutil.which("rabbitmq-server")
    if program is None:
        raise WarehouseError("RabbitMQ is not installed; run make setup")
    return program


def _run_quietly(command: list[str], owner: Owner) -> None:
    result = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=owner.uid,
        group=owner.gid,
        extra_groups=[] if os.geteuid() == 0 else None,
    )
    if result.returncode != 0:
        raise WarehouseError(f"{command[0]}: {' '.join(result.stderr.split())}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) != 0


def _shown(path: Path) -> str:
    return os.path.relpath(path, Path.cwd())


if __name__ == "__main__":
    main()
