"""Settings from environment variables and ``.env``, checked once at the start."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import AmqpDsn, Field, HttpUrl, PostgresDsn, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from warehouse.errors import SettingsError

# Seconds, and nobody's to set. A batch that takes longer to decode ends its consumer; one that the
# database has not taken for so long is given back, at half of RabbitMQ's consumer_timeout.
HANDLER_SECONDS = 60
LONGEST_HOLD = 900.0

_KNOWN_PASSWORDS = ("warehouse", "guest", "postgres", "password", "change-me")

T = TypeVar("T", bound=BaseSettings)


class FromEnvironment(BaseSettings):
    """Settings, as every part of the house reads its own.

    Each comes from its variable, from a file that ``<VARIABLE>_FILE`` names (as secrets are handed
    to containers), or from ``.env``; the first that is there counts.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    environment: Literal["dev", "test", "prod"] = "dev"

    @classmethod
    def settings_customise_sources(  # pylint: disable=too-many-arguments  # the library's
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls), dotenv_settings

    @model_validator(mode="after")
    def _refuse_known_passwords(self) -> "FromEnvironment":
        if self.environment == "prod":
            for name, value in self:
                if name.endswith("_url") and _has_known_password(str(value)):
                    raise ValueError(
                        f"ENVIRONMENT=prod, and {name.upper()} has a password that everybody knows"
                    )
        return self


class _SecretFiles(PydanticBaseSettingsSource):
    """What stands in the files that ``<VARIABLE>_FILE`` name."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        variable = f"{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text("utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not UTF-8"
            raise SettingsError(f"{variable}: {path}: {reason}") from None

    def __call__(self) -> dict[str, str]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


def _has_known_password(url: str) -> bool:
    """Whether anybody could log in. PostgreSQL may know us without one; RabbitMQ has a guest."""
    parts = urlsplit(url)
    if parts.scheme.startswith("amqp") and not parts.password:
        return True
    return parts.scheme.startswith(("amqp", "postgres")) and parts.password in _KNOWN_PASSWORDS


class StoreSettings(FromEnvironment):
    """Where ``s3://`` leads, beside what every AWS client reads from its environment."""

    aws_endpoint_url: HttpUrl | None = None  # of a store that is not AWS
    s3_anonymous: bool = False


class _DatabaseSettings(FromEnvironment):
    database_url: PostgresDsn


class Settings(_DatabaseSettings):
    """Every setting of every role; ``.env.example`` explains each to a person."""

    rabbitmq_url: AmqpDsn

    chunk_rows: int = Field(default=10_000, ge=1, le=100_000)  # rows of a bulk message
    window_messages: int = Field(default=32, ge=1, le=10_000)  # on their way at once, bulk
    batch_bytes: int = Field(default=4_000_000, ge=1)  # of messages in one transaction, about
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
    return read(Settings)


def database_url() -> PostgresDsn:
    """The one setting of a role that has no business with RabbitMQ. Raises as ``settings``."""
    return read(_DatabaseSettings).database_url


def store_settings() -> StoreSettings:
    """The settings of files in S3. Raises as ``settings``."""
    return read(StoreSettings)


def read(kind: type[T]) -> T:
    """The settings of a kind.

    Raises:
        SettingsError: one is missing or malformed.
    """
    try:
        return kind()
    except ValidationError as error:
        problems = (
            f"{str(p['loc'][0]).upper()}: {p['msg']}" if p["loc"] else str(p["ctx"]["error"])
            for p in error.errors()
        )
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
