"""What was chosen when a local stack was first set up: its password and its ports."""

from pathlib import Path

from warehouse.errors import UsageError

SUPERUSER = "warehouse"


class Chosen:
    """Settings in a file that only its owner may read, one ``name=value`` a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getitem__(self, name: str) -> str:
        try:
            return self.read()[name]
        except KeyError:
            raise UsageError("the stack is not set up; run make setup") from None

    def read(self) -> dict[str, str]:
        """All of them; none before the first setup."""
        try:
            lines = self._path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return {}
        return dict(line.split("=", 1) for line in lines)

    def write(self, chosen: dict[str, str]) -> None:
        """Keep them."""
        self._path.touch(mode=0o600)
        self._path.write_text("".join(f"{k}={v}\n" for k, v in chosen.items()), "utf-8")

    def database_url(self, database: str) -> str:
        """The URL of a database on the stack's server."""
        tls = self.read().get("tls")
        verified = f"?sslmode=verify-full&sslrootcert={tls}/ca.pem" if tls else ""
        server = f"{SUPERUSER}:{self['password']}@127.0.0.1:{self['postgres']}"
        return f"postgresql://{server}/{database}{verified}"

    def environment(self) -> dict[str, str]:
        """The settings that name this stack to the service and to other clients."""
        broker = f"{SUPERUSER}:{self['password']}@127.0.0.1:{self['rabbitmq']}/%2F"
        tls = self.read().get("tls")
        return {
            "DATABASE_URL": self.database_url("warehouse"),
            "RABBITMQ_URL": f"amqps://{broker}?cafile={tls}/ca.pem" if tls else f"amqp://{broker}",
            "PGHOST": "127.0.0.1",
            "PGPORT": self["postgres"],
            "PGUSER": SUPERUSER,
            "PGPASSWORD": self["password"],
            "PGDATABASE": "warehouse",
            **({"PGSSLMODE": "verify-full", "PGSSLROOTCERT": f"{tls}/ca.pem"} if tls else {}),
        }
