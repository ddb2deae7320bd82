"""What the tables must be, in a few lines of plain Python that share nothing with the SQL."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

RANK = {"User Created": 0, "User Updated": 1, "User Deleted": 2}


class Event(NamedTuple):
    """A raw user event, as far as the ETLs look at it; ``order`` is its place in the source."""

    id: str
    event_type: str
    state: tuple[str | None, ...]  # username, user_email, user_type, organization_name, plan_name
    at: datetime
    order: int


def users_dim(events: Iterable[Event]) -> list[tuple[object, ...]]:
    """(id, *state, valid_from, valid_to, is_valid, is_deleted) of every version, sorted."""
    lives: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda e: (e.at, RANK[e.event_type], e.order)):
        lives[event.id].append(event)
    versions: list[tuple[object, ...]] = []
    for user, life in lives.items():
        last_at = {event.at: event for event in life}
        kept: list[Event] = []
        for event in last_at.values():
            if not kept or _known(event) != _known(kept[-1]):
                kept.append(event)
        ends = [event.at for event in kept[1:]] + [None]
        versions += [
            (user, *e.state, e.at, end, end is None, e.event_type == "User Deleted")
            for e, end in zip(kept, ends)
        ]
    return sorted(versions, key=lambda v: (v[0], v[6]))


def _known(event: Event) -> tuple[object, ...]:
    return (*event.state, event.event_type == "User Deleted")


def user_events_daily(events: Iterable[Event]) -> list[tuple[object, ...]]:
    """(event_date, n_created, n_updated, n_deleted, n_unique, n_total) of every day, sorted."""
    days: dict[date, list[Event]] = defaultdict(list)
    for event in events:
        days[event.at.astimezone(timezone.utc).date()].append(event)
    return [
        (
            day,
            *(sum(e.event_type == name for e in found) for name in RANK),
            len({e.id for e in found}),
            len(found),
        )
        for day, found in sorted(days.items())
    ]


def top_and_streak(facts: Iterable[tuple[str, str, int, date]]) -> dict[str, tuple[str, int]]:
    """Of each entity the category with the greatest total, and its most consecutive days."""
    totals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    days: dict[str, set[date]] = defaultdict(set)
    for entity, category, amount, day in facts:
        totals[entity][category] += amount
        days[entity].add(day)
    return {
        entity: (
            min(found.items(), key=lambda one: (-one[1], one[0].encode()))[0],
            max(_run_from(day, days[entity]) for day in days[entity]),
        )
        for entity, found in totals.items()
    }


def _run_from(day: date, days: set[date]) -> int:
    return next(n for n in range(len(days) + 1) if day + timedelta(days=n) not in days)


def on_dates(events: Iterable[Event], dates: Iterable[date]) -> list[Event]:
    """The events of these UTC dates."""
    chosen = set(dates)
    return [event for event in events if event.at.astimezone(timezone.utc).date() in chosen]


def week(first: date) -> list[date]:
    """Seven dates."""
    return [first + timedelta(days=n) for n in range(7)]
