"""How much a user did in a workspace on a day; a total of 0 is still a day of activity."""

from feeds.core.declaration import EventModel, Feed
from feeds.core.types import CalendarDate, HexId, Integer


class Activity(EventModel):
    """One user's activity in one workspace on one UTC day."""

    active_date: CalendarDate
    user_id: HexId
    workspace_id: HexId
    total_activity: Integer


FEED = Feed(name="activity", model=Activity, event_time="active_date")
