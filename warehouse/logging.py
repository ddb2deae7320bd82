"""One structured line per thing that happened, on standard error; never a row's values."""

import sys

import structlog

from warehouse.settings import Settings
from warehouse.visible import visible


def _make_visible(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Texts from outside clear no terminal and make no lines of their own."""
    return {
        name: visible(value) if isinstance(value, str) else value for name, value in event.items()
    }


def configure_logging(settings: Settings) -> None:
    """Log as the settings say: ``key=value`` pairs for people, JSON for machines."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _make_visible,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
