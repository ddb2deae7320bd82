"""What was chosen when a local stack was first set up: its password and its ports."""

from pathlib import Path

from stack.processes import Owner
from warehouse.errors import UsageError

OWNER = "warehouse"  # of the database, and the user of the broker
ADMINISTRATOR = "postgres"  # of the PostgreSQL server: for what the owner may not do


class Chosen:
    """Settings in a file that only its owner may read, one ``name=value`` a line."""

    def __init__(self, path: Path, owner: Owner) -> None:
        self._path = path
        self._owner = owner

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
        self._owner.write_secret(self._path, "".join(f"{k}={v}\n" for k, v in chosen.items()))

    def database_url(self, database: str) -> str:
        """The URL of a database on the stack's server, for its owner."""
        return self._url(f"{OWNER}:{self['password']}", database)

    def administrator_url(self, database: str = "postgres") -> str:
        """The same for the server's superuser, whom no program of ours needs but the stack."""
        return self._url(f"{ADMINISTRATOR}:{self['administrator_password']}", database)

    def _url(self, login: str, database: str) -> str:
        tls = self.read().get("tls")
        verified = f"?sslmode=verify-full&sslrootcert={tls}/ca.pem" if tls else ""
        return f"postgresql://{login}@127.0.0.1:{self['postgres']}/{database}{verified}"

    def environment(self) -> dict[str, str]:
        """The settings that name this stack to the service and to other clients."""
        broker = f"{OWNER}:{self['password']}@127.0.0.1:{self['rabbitmq']}/%2F"
        tls = self.read().get("tls")
        return {
            "DATABASE_URL": self.database_url("warehouse"),
            "RABBITMQ_URL": f"amqps://{broker}?cafile={tls}/ca.pem" if tls else f"amqp://{broker}",
            **self._libpq(OWNER, self["password"], "warehouse"),
        }

    def administrator_environment(self) -> dict[str, str]:
        """The settings that let psql connect as the server's superuser."""
        return self._libpq(ADMINISTRATOR, self["administrator_password"], "postgres")

    def _libpq(self, user: str, password: str, database: str) -> dict[str, str]:
        tls = self.read().get("tls")
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": self["postgres"],
            "PGUSER": user,
            "PGPASSWORD": password,
            "PGDATABASE": database,
            **({"PGSSLMODE": "verify-full", "PGSSLROOTCERT": f"{tls}/ca.pem"} if tls else {}),
        }
