"""The life of users: created, updated, deleted."""

from typing import Literal

from feeds.core.declaration import EventModel, Feed
from feeds.core.types import Instant, Text


class UserEvent(EventModel):
    """One event in the life of one user; what is NULL was empty in the source."""

    id: Text
    event_type: Literal["User Created", "User Updated", "User Deleted"]
    username: Text | None = None
    user_email: Text | None = None
    user_type: Text | None = None
    organization_name: Text | None = None
    plan_name: Text | None = None
    received_at: Instant


FEED = Feed(name="user_events", model=UserEvent, event_time="received_at")
