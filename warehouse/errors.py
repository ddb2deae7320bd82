"""The errors a person sees: each one line, with what to do; the exit code says whose turn it is."""


class WarehouseError(Exception):
    """The job failed; the text says where and why. Exit code 1."""

    exit_code = 1


class UsageError(WarehouseError):
    """The command was called wrongly; the text says what to type. Exit code 2."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is missing or malformed; the text names the variable."""


class SourceError(UsageError):
    """A source file cannot be read as its feed says; the text names file and line."""


class DatabaseUnavailable(WarehouseError):
    """PostgreSQL cannot be reached, or the connection broke; trying again may help."""


class BrokenEnvironment(WarehouseError):
    """PostgreSQL is there and refuses: a table, a right or a database is missing. Somebody has to
    mend that; no event is at fault."""


class BrokerUnavailable(WarehouseError):
    """RabbitMQ cannot be reached, or the connection broke; trying again may help."""


class Unroutable(WarehouseError):
    """RabbitMQ has no queue for a message; nobody would ever have read it."""
