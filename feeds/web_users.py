"""The registered users of the web site."""

from typing import Annotated

from pydantic import Field

from feeds.core.declaration import Dialect, EventModel, Feed
from feeds.core.types import Integer


class WebUser(EventModel):
    """One registered user; ``age`` is in years, a number or a range such as ``18-45``."""

    user_id: Integer
    age: Annotated[str, Field(pattern=r"^[0-9]{1,3}(-[0-9]{1,3})?$")] | None = None
    country: Annotated[str, Field(pattern=r"^[A-Za-z]{2}$")] | None = None


FEED = Feed(
    name="web_users",
    model=WebUser,
    event_time=None,
    dialect=Dialect(quote="'", has_header=False, skip_space=True),
)
