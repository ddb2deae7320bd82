"""Where a setting comes from, and the one setting that every role has.

Without pydantic, which takes longer to import than an ETL to process a quiet day.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from warehouse.errors import SettingsError

Environment = Literal["dev", "test", "prod"]

_KNOWN_PASSWORDS = ("warehouse", "guest", "postgres", "password", "change-me")
_ADVICE = (
    "Set it in the environment or in .env (see .env.example);"
    ' for a running stack: eval "$(make -s env)"'
)


def variable(name: str) -> str | None:
    """The value of a variable: its own, what stands in the file that ``<NAME>_FILE`` names (as
    secrets are handed to containers), or that in ``.env``; the first that is there and not empty.

    Raises:
        SettingsError: the file cannot be read.
    """
    return os.environ.get(name) or _from_secret_file(f"{name}_FILE") or _dotenv().get(name)


def database_url() -> str:
    """Where PostgreSQL is: ``DATABASE_URL``.

    Raises:
        SettingsError: it is missing or malformed, or nothing for production.
    """
    environment = variable("ENVIRONMENT") or "dev"
    if environment not in get_args(Environment):
        raise wrong_setting("ENVIRONMENT: Input should be 'dev', 'test' or 'prod'")
    url = variable("DATABASE_URL")
    if url is None:
        raise wrong_setting("DATABASE_URL: Field required")
    try:
        url_of_postgresql(url)
    except ValueError as error:
        raise wrong_setting(f"DATABASE_URL: {error}") from None
    if environment == "prod" and has_known_password(url):
        raise wrong_setting(known_password("DATABASE_URL"))
    return url


def url_of_postgresql(text: str) -> str:
    """The same text.

    Raises:
        ValueError: it is no URL of a PostgreSQL server.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("postgresql", "postgres") or not parts.netloc.rpartition("@")[2]:
        raise ValueError("Input should be a URL like postgresql://user:password@host:5432/database")
    return text


def has_known_password(url: str) -> bool:
    """Whether anybody could log in. PostgreSQL may know us without one; RabbitMQ has a guest."""
    parts = urlsplit(url)
    if parts.scheme.startswith("amqp") and not parts.password:
        return True
    return parts.scheme.startswith(("amqp", "postgres")) and parts.password in _KNOWN_PASSWORDS


def known_password(name: str) -> str:
    """The complaint about such a URL."""
    return f"ENVIRONMENT=prod, and {name} has a password that everybody knows"


def wrong_setting(problem: str) -> SettingsError:
    """The error for settings that cannot be used."""
    return SettingsError(f"{problem}. {_ADVICE}")


def _from_secret_file(variable_of_path: str) -> str | None:
    path = os.environ.get(variable_of_path)
    if not path:
        return None
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8"
        raise SettingsError(f"{variable_of_path}: {path}: {reason}") from None


def _dotenv() -> dict[str, str]:
    path = Path(".env").absolute()
    return _values_in(path) if path.is_file() else {}


@lru_cache
def _values_in(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values  # pylint: disable=import-outside-toplevel  # often not needed

    return {name: value for name, value in dotenv_values(path).items() if value}
