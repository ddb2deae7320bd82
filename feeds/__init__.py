"""What an event is: one module per feed, found by its ``FEED``; nothing else to touch."""

import importlib
import pkgutil

from feeds.core.declaration import Feed
from warehouse.errors import UsageError


def _discover() -> dict[str, Feed]:
    modules = (m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    found = (importlib.import_module(f"{__name__}.{name}").FEED for name in sorted(modules))
    return {feed.name: feed for feed in found}


FEEDS: dict[str, Feed] = _discover()


def feed_named(name: str) -> Feed:
    """The feed of that name.

    Raises:
        UsageError: there is no such feed.
    """
    try:
        return FEEDS[name]
    except KeyError:
        raise UsageError(f"no feed is called {name!r}; the feeds are {', '.join(FEEDS)}") from None
