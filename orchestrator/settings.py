"""What the orchestrator is told by its environment or by ``.env``."""

from functools import lru_cache

from pydantic import Field, HttpUrl

from warehouse.settings import FromEnvironment, read


class OrchestratorSettings(FromEnvironment):
    """Every setting of the orchestrator; ``.env.example`` explains each to a person."""

    orchestrate_from: str = Field(default="2019-01-01", pattern=r"^\d{4}-\d{2}-\d{2}$")
    orchestrate_stale_seconds: int = Field(default=60, ge=5)  # between looks for stale dates
    notify_url: HttpUrl | None = None


@lru_cache
def settings() -> OrchestratorSettings:
    """The settings of this process.

    Raises:
        SettingsError: one is malformed.
    """
    return read(OrchestratorSettings)
