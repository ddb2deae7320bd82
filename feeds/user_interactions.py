"""What visitors did on the web site."""

from pydantic import Field

from feeds.core.declaration import Dialect, EventModel, Feed
from feeds.core.types import Instant, Integer, Text


class UserInteraction(EventModel):
    """One interaction. The source's own id may repeat and is kept as ``interaction_id``."""

    interaction_id: Text = Field(alias="event_id")
    user_id: Integer
    event_type: Text
    event_time: Instant


FEED = Feed(
    name="user_interactions",
    model=UserInteraction,
    event_time="event_time",
    dialect=Dialect(quote="'", has_header=False, skip_space=True),
)
