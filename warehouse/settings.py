"""Settings from environment variables and ``.env``, checked once at the start."""

from functools import lru_cache
from typing import Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import AmqpDsn, Field, HttpUrl, PostgresDsn, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from warehouse.errors import SettingsError

# Seconds, and nobody's to set. A batch that takes longer to decode ends its consumer; one that the
# database has not taken for so long is given back, at half of RabbitMQ's consumer_timeout.
HANDLER_SECONDS = 60
LONGEST_HOLD = 900.0

T = TypeVar("T", bound=BaseSettings)


class _FromEnvironment(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)


class StoreSettings(_FromEnvironment):
    """Where ``s3://`` leads, beside what every AWS client reads from its environment."""

    aws_endpoint_url: HttpUrl | None = None  # of a store that is not AWS
    s3_anonymous: bool = False


class _DatabaseSettings(_FromEnvironment):
    database_url: PostgresDsn


class Settings(_DatabaseSettings):
    """Every setting of every role; ``.env.example`` explains each to a person."""

    rabbitmq_url: AmqpDsn

    chunk_rows: int = Field(default=5000, ge=1, le=100_000)  # rows of a bulk message
    window_messages: int = Field(default=32, ge=1, le=10_000)  # on their way at once, bulk
    batch_bytes: int = Field(default=3_000_000, ge=1)  # of messages in one transaction, about
    batch_linger_ms: int = Field(default=20, ge=0, le=150)  # wait for more before writing
    prefetch: int = Field(default=500, ge=1, le=2000)  # unacknowledged messages of a consumer
    patience_seconds: float = Field(default=60, gt=0)  # for a service that is away
    ready_file: str | None = None  # exists while the consumer is connected to both services
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["logfmt", "json"] = "logfmt"


@lru_cache
def settings() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: one is missing or malformed.
    """
    return _read(Settings)


def database_url() -> PostgresDsn:
    """The one setting of a role that has no business with RabbitMQ. Raises as ``settings``."""
    return _read(_DatabaseSettings).database_url


def store_settings() -> StoreSettings:
    """The settings of files in S3. Raises as ``settings``."""
    return _read(StoreSettings)


def _read(kind: type[T]) -> T:
    try:
        return kind()
    except ValidationError as error:
        problems = (f"{str(p['loc'][0]).upper()}: {p['msg']}" for p in error.errors())
        raise SettingsError(
            "; ".join(problems) + ". Set it in the environment or in .env (see .env.example); "
            'for a running stack: eval "$(make -s env)"'
        ) from None


def without_password(url: object) -> str:
    """A URL that may be shown or logged."""
    parts = urlsplit(str(url))
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    user = f"{parts.username}@" if parts.username else ""
    return urlunsplit((parts.scheme, f"{user}{host}{port}", parts.path, "", ""))
