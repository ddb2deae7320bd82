"""The two servers as private processes: how each is made, started, found healthy and stopped."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from stack.processes import Daemon, Owner, is_free, wait_until
from stack.settings import ADMINISTRATOR, OWNER, Chosen
from warehouse.errors import WarehouseError
from warehouse.postgres import connect
from warehouse.queries import SQL

_BOOTSTRAP = SQL / "bootstrap.sql"

# As docker-compose.yml has them. A day's run touches the pages of its users, wherever they are, and
# the log gets each of these whole, once after every checkpoint; its files are used again, not made
# anew; until its writer comes it waits in memory, so that no session has to write it; a query of a
# whole raw table locks each of its days; and autovacuum gives way to a waiting run when PostgreSQL
# looks for deadlocks.
_TUNING = {
    "max_wal_size": "2GB",
    "min_wal_size": "1GB",
    "wal_compression": "lz4",
    "wal_buffers": "32MB",
    "max_locks_per_transaction": "1024",
    "deadlock_timeout": "200ms",
}


class Postgres:
    """PostgreSQL on a port of 127.0.0.1, its data in ``postgres/``.

    Its superuser sets it up (``sql/bootstrap.sql``); the programs log in as the database's owner.
    """

    def __init__(self, home: Path, owner: Owner, chosen: Chosen) -> None:
        self.daemon = Daemon("postgres", home)
        self._data = home / "postgres"
        self._owner = owner
        self._chosen = chosen

    def start(self) -> None:
        """Start it if it does not run, and return when it has a database for us."""
        if self.daemon.pid is None:
            if not (self._data / "PG_VERSION").exists():
                self._initialise()
            port = self._chosen["postgres"]
            options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
            options["shared_buffers"] = _shared_buffers()
            if tls := self._chosen.read().get("tls"):
                options |= {"ssl": "on", "ssl_ca_file": f"{tls}/ca.pem"}
                options |= {
                    "ssl_cert_file": f"{tls}/server.pem",
                    "ssl_key_file": f"{tls}/server.key",
                }
            settings = [f"--{name}={value}" for name, value in (options | _TUNING).items()]
            self.daemon.start(
                [f"{postgres_programs()}/postgres", "-D", str(self._data), *settings],
                {},
                self._owner,
            )
        administrator = self._chosen.administrator_url()
        wait_until(lambda: _accepts(administrator), self.daemon)
        _run_quietly(
            [f"{postgres_programs()}/psql", "-X", "-q", "-f", str(_BOOTSTRAP)],
            environment={
                **self._chosen.administrator_environment(),
                "OWNER_PASSWORD": self._chosen["password"],
            },
        )

    def stop(self, *, at_once: bool = False) -> None:
        # To PostgreSQL, SIGTERM means: wait until every client has left; SIGINT: send them away;
        # SIGQUIT: drop everything, as in a crash.
        self.daemon.stop(signal.SIGQUIT if at_once else signal.SIGINT)

    def _initialise(self) -> None:
        self._owner.take(self._data)
        password = self._data.with_suffix(".password")
        self._owner.write_secret(password, self._chosen["administrator_password"])
        command = [f"{postgres_programs()}/initdb", "-D", str(self._data), "-U", ADMINISTRATOR]
        command += ["--auth=scram-sha-256", f"--pwfile={password}"]
        _run_quietly([*command, "--encoding=UTF8", "--locale=C"], self._owner)
        password.unlink()


class RabbitMQ:
    """RabbitMQ, with a port mapper of its own, on ports of 127.0.0.1; its data in ``rabbitmq/``."""

    def __init__(self, home: Path, owner: Owner, chosen: Chosen) -> None:
        self.daemon = Daemon("rabbitmq", home)
        self.epmd = Daemon("epmd", home)
        self._home = home / "rabbitmq"
        self._owner = owner
        self._chosen = chosen

    def start(self) -> None:
        if self.daemon.pid is not None:
            return
        self._owner.take(self._home)
        self._configure()
        if self.epmd.pid is None:
            port = self._chosen["epmd"]
            self.epmd.start(["epmd", "-port", port, "-address", "127.0.0.1"], {}, self._owner)
        self.daemon.start([_rabbitmq_server()], self._environment(), self._owner)

    def wait(self) -> None:
        port = int(self._chosen["rabbitmq"])
        wait_until(lambda: not is_free(port), self.daemon)

    def stop(self) -> None:
        self.daemon.stop()
        self.epmd.stop()

    def _configure(self) -> None:
        password, port = self._chosen["password"], self._chosen["rabbitmq"]
        listener = f"listeners.tcp.1 = 127.0.0.1:{port}\n"
        if tls := self._chosen.read().get("tls"):
            listener = (
                f"listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:{port}\n"
                f"ssl_options.cacertfile = {tls}/ca.pem\nssl_options.certfile = {tls}/server.pem\n"
                f"ssl_options.keyfile = {tls}/server.key\n"
            )
        user = f"default_user = {OWNER}\ndefault_pass = {password}\n"
        self._owner.write_secret(self._home / "rabbitmq.conf", listener + user)
        self._owner.write_secret(self._home / "plugins", "[].\n")
        self._owner.write_secret(self._home / "env.conf", "")

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
            "RABBITMQ_DIST_PORT": self._chosen["distribution"],
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": self._chosen["epmd"],
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }


def _shared_buffers() -> str:
    """A quarter of the machine's memory, as PostgreSQL's documentation advises (chapter "Resource
    Consumption"), and at most 2 GB: others work here too."""
    n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{min(n_bytes // 4 >> 20, 2048)}MB"


def _accepts(url: str) -> bool:
    try:
        with connect(url, "stack"):
            return True
    except WarehouseError:
        return False


def postgres_programs() -> str:
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


def _run_quietly(
    command: list[str], owner: Owner | None = None, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command as its owner, or as ourselves; what it says is shown only if it fails."""
    result = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=owner.uid if owner else None,
        group=owner.gid if owner else None,
        extra_groups=[] if owner and os.geteuid() == 0 else None,
    )
    if result.returncode != 0:
        raise WarehouseError(f"{command[0]}: {' '.join(result.stderr.split())}")
