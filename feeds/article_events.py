"""What readers did in the news app: cards displayed, articles viewed, and about ten things more."""

from pydantic import Field

from feeds.core.declaration import Dialect, EventModel, Feed
from feeds.core.types import Instant, JsonObject, Text


class ArticleEvent(EventModel):
    """One event of one session; session and user may be unknown, attributes absent."""

    event_time: Instant = Field(alias="TIMESTAMP")
    session_id: Text | None = Field(alias="MD5(SESSION_ID)", default=None)
    event_name: Text = Field(alias="EVENT_NAME")
    user_id: Text | None = Field(alias="MD5(USER_ID)", default=None)
    attributes: JsonObject | None = Field(alias="ATTRIBUTES", default=None)


FEED = Feed(
    name="article_events",
    model=ArticleEvent,
    event_time="TIMESTAMP",
    dialect=Dialect(delimiter="\t", quote=None),
)
