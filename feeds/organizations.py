"""The organizations that users belong to: a small reference table, loaded by COPY."""

from feeds.core.declaration import EventModel, Feed
from feeds.core.types import Instant, Text


class Organization(EventModel):
    """One organization; a later load of the same key replaces its name and date."""

    organization_key: Text
    organization_name: Text
    created_at: Instant


FEED = Feed(
    name="organizations",
    model=Organization,
    event_time="created_at",
    table="crm.organizations_dim",
    queued=False,
    conflict_key="organization_key",
)
