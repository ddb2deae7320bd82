"""Settings of the roles that have more than a database, checked once at the start."""

from functools import lru_cache
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    AmqpDsn,
    BaseModel,
    Field,
    HttpUrl,
    ValidationError,
    model_validator,
)

from warehouse.environment import (
    Environment,
    has_known_password,
    known_password,
    url_of_postgresql,
    variable,
    wrong_setting,
)

# Seconds, and nobody's to set. A batch that takes longer to decode ends its consumer; one that the
# database has not taken for so long is given back, at half of RabbitMQ's consumer_timeout.
HANDLER_SECONDS = 60
LONGEST_HOLD = 900.0

T = TypeVar("T", bound="FromEnvironment")


class FromEnvironment(BaseModel):
    """Settings, as every part of the house reads its own: each from the variable of its name."""

    environment: Environment = "dev"

    @model_validator(mode="after")
    def _refuse_known_passwords(self) -> "FromEnvironment":
        if self.environment == "prod":
            for name, value in self:
                if name.endswith("_url") and has_known_password(str(value)):
                    raise ValueError(known_password(name.upper()))
        return self


class StoreSettings(FromEnvironment):
    """Where ``s3://`` leads, beside what every AWS client reads from its environment."""

    aws_endpoint_url: HttpUrl | None = None  # of a store that is not AWS
    s3_anonymous: bool = False


class Settings(FromEnvironment):
    """Every setting of every role; ``.env.example`` explains each to a person."""

    database_url: Annotated[str, AfterValidator(url_of_postgresql)]
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


def store_settings() -> StoreSettings:
    """The settings of files in S3. Raises as ``settings``."""
    return read(StoreSettings)


def read(kind: type[T]) -> T:
    """The settings of a kind.

    Raises:
        SettingsError: one is missing or malformed.
    """
    given = {name: variable(name.upper()) for name in kind.model_fields}
    try:
        return kind.model_validate({name: text for name, text in given.items() if text is not None})
    except ValidationError as error:
        problems = (
            (
                f"{str(p['loc'][0]).upper()}: {p['msg'].removeprefix('Value error, ')}"
                if p["loc"]
                else str(p["ctx"]["error"])
            )
            for p in error.errors()
        )
        raise wrong_setting("; ".join(problems)) from None


def without_password(url: object) -> str:
    """A URL that may be shown or logged."""
    parts = urlsplit(str(url))
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    user = f"{parts.username}@" if parts.username else ""
    return urlunsplit((parts.scheme, f"{user}{host}{port}", parts.path, "", ""))
