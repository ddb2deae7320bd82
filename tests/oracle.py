"""What the tables must be, in a few lines of plain Python that share nothing with the SQL."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any, NamedTuple

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


DISPLAYS = {"top_news_card_viewed", "my_news_card_viewed"}


class ArticleEvent(NamedTuple):
    """A line of a lake's file; ``order`` is its place in the source."""

    at: datetime
    session: str
    name: str
    user: str
    attributes: dict[str, Any]
    order: int

    @property
    def day(self) -> date:
        return self.at.astimezone(timezone.utc).date()

    def attribute(self, key: str) -> str | None:
        """As it is written, or capitalised."""
        capitalised = "ID" if key == "id" else key.title()
        return self.attributes.get(key) or self.attributes.get(capitalised) or None


def article_events(text: str) -> Iterator[ArticleEvent]:
    """The events of a lake's file, without the broken ones."""
    for number, line in enumerate(text.splitlines()[1:]):
        at, session, name, user, attributes = line.split("\t")
        if attributes.startswith('"'):
            attributes = attributes[1:-1].replace('""', '"')
        try:
            found = json.loads(attributes or "{}")
        except ValueError:
            continue
        instant = datetime.strptime(at, "%Y-%m-%d %H:%M:%S.%f %z")
        yield ArticleEvent(instant, session, name, user, found, number)


def article_performance(events: Iterable[ArticleEvent]) -> list[tuple[object, ...]]:
    """(article_id, date, title, category, displays, clicks, cumulative_clicks, ctr), sorted."""
    rows: list[tuple[object, ...]] = []
    so_far: dict[str, int] = defaultdict(int)
    groups: dict[tuple[date, str], list[ArticleEvent]] = defaultdict(list)
    for event in sorted(events, key=lambda e: (e.at, e.order)):
        if event.attribute("id") is not None:
            groups[event.day, str(event.attribute("id"))].append(event)
    for (day, article), found in sorted(groups.items()):
        displays, clicks = _displays_and_clicks(found)
        so_far[article] += clicks
        last = {k: e.attribute(k) for e in found for k in ("title", "category") if e.attribute(k)}
        if displays or clicks:
            ctr = clicks / displays if displays else None
            named = (last.get("title"), last.get("category"))
            rows.append((article, day, *named, displays, clicks, so_far[article], ctr))
    return sorted(rows)


def user_performance(events: Iterable[ArticleEvent]) -> list[tuple[object, ...]]:
    """(user_id, date, sessions, avg_session_seconds to the microsecond, displays, clicks, ctr)."""
    groups: dict[tuple[str, date], list[ArticleEvent]] = defaultdict(list)
    for event in events:
        if event.user:
            groups[event.user, event.day].append(event)
    rows: list[tuple[object, ...]] = []
    for (user, day), found in sorted(groups.items()):
        sessions: dict[str, list[datetime]] = defaultdict(list)
        for event in found:
            if event.session:
                sessions[event.session].append(event.at)
        lengths = [(max(ats) - min(ats)).total_seconds() for ats in sessions.values()]
        average = round(sum(lengths) / len(lengths), 6) if lengths else None
        displays, clicks = _displays_and_clicks(found)
        ctr = clicks / displays if displays else None
        rows.append((user, day, len(lengths), average, displays, clicks, ctr))
    return rows


def _displays_and_clicks(events: list[ArticleEvent]) -> tuple[int, int]:
    names = [event.name for event in events]
    return sum(name in DISPLAYS for name in names), names.count("article_viewed")


class Interaction(NamedTuple):
    """A row of the web site's interactions, in the order of the source."""

    interaction_id: str
    user_id: int
    event_type: str
    event_time: str


def answers(
    users: Iterable[tuple[int, str, str]], interactions: Iterable[Interaction]
) -> dict[str, list[tuple[object, ...]]]:
    """The rows of each answer's table, sorted; ``users`` are (id, age, country)."""
    known = {user: (age, country.upper()) for user, age, country in users}
    rows = list(interactions)
    repeats = _repeats(rows)
    days: dict[date, list[int]] = defaultdict(lambda: [0, 0, 0])
    kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    deeds: dict[int, list[str]] = defaultdict(list)
    for row, repeat in zip(rows, repeats):
        day = days[date.fromisoformat(row.event_time[:10])]
        day[0] += 1
        if repeat:
            day[repeat] += 1
        else:
            kinds[row.event_type][0] += 1
            kinds[row.event_type][1] += row.user_id not in known
            deeds[row.user_id].append(row.event_type)
    countries: dict[str, int] = defaultdict(int)
    for user in {row.user_id for row in rows}:
        countries[known.get(user, ("", ""))[1] or "unknown"] += 1
    groups = dict.fromkeys(("18-49", "50-80", "outside", "straddling", "unknown"), 0)
    for user, done in deeds.items():
        if done.count("VIEW") >= 5 and done.count("CLICK") >= 10:
            groups[_age_group(known.get(user, ("", ""))[0])] += 1
    return {
        "unknown_users_by_event_type": sorted((k, n, m, m / n) for k, (n, m) in kinds.items()),
        "duplicates_by_date": sorted((d, *n, n[1] + n[2]) for d, n in days.items()),
        "visitors_by_country": sorted(countries.items()),
        "valuable_users_by_age_group": sorted(groups.items()),
    }


def _repeats(rows: list[Interaction]) -> list[int]:
    """Of each row 0: a new event; 1: its id came before; 2: the event did, under another id."""
    ids: set[str] = set()
    events: set[tuple[object, ...]] = set()
    found = []
    for row in rows:
        found.append(1 if row.interaction_id in ids else 2 if row[1:] in events else 0)
        ids.add(row.interaction_id)
        events.add(row[1:])
    return found


def _age_group(age: str) -> str:
    if not age:
        return "unknown"
    years = sorted(int(part) for part in age.split("-"))
    ages = set(range(years[0], years[-1] + 1))
    for name, group in (("18-49", range(18, 50)), ("50-80", range(50, 81))):
        if ages <= set(group):
            return name
    return "straddling" if ages & set(range(18, 81)) else "outside"
