"""The questions: each a table in ``reports``, made by the SQL of its name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from etls.catalogue import Etl

Rows = list[tuple[Any, ...]]

_INTERACTIONS, _USERS = "raw.user_interactions", "raw.web_users"


@dataclass(frozen=True)
class Answer:
    """A question, the ETL that answers it, and how its table is told."""

    question: str
    etl: Etl
    columns: tuple[str, ...]
    order: str  # of the rows, the one that answers first
    said: Callable[[Rows], str]  # in a sentence


def _unknown_users(rows: Rows) -> str:
    kind, events, unknown, share = rows[0]
    return f"**{kind}**: {unknown:,} of {events:,} events, {share:.1%}"


def _duplicates(rows: Rows) -> str:
    day, deliveries, _, _, duplicates = rows[0]
    return f"**{day}**: {duplicates:,} of {deliveries:,} rows repeat an event"


def _visitors(rows: Rows) -> str:
    known = [row for row in rows if row[0] != "unknown"] or rows
    country, visitors = known[0]
    return f"**{country}**: {visitors:,} of {sum(row[1] for row in rows):,} visitors"


def _valuable_users(rows: Rows) -> str:
    users: dict[str, int] = dict(rows)
    young, old = users["18-49"], users["50-80"]
    if young == old:
        return f"neither: {young:,} users in both groups"
    larger, most, least = ("18-49", young, old) if young > old else ("50-80", old, young)
    return f"**{larger}**: {most:,} users, against {least:,}"


ANSWERS = (
    Answer(
        "In which event types do user ids that do not exist occur most often?",
        Etl("unknown_users_by_event_type", "reports", (_INTERACTIONS, _USERS), "an event type"),
        ("event_type", "events", "unknown_user_events", "share"),
        "unknown_user_events DESC, share DESC, event_type",
        _unknown_users,
    ),
    Answer(
        "On which date were a lot of events duplicated?",
        Etl("duplicates_by_date", "reports", (_INTERACTIONS,), "a date"),
        ("event_date", "deliveries", "same_id", "other_id", "duplicates"),
        "duplicates DESC, event_date",
        _duplicates,
    ),
    Answer(
        "Which country do most visitors come from?",
        Etl("visitors_by_country", "reports", (_INTERACTIONS, _USERS), "a country"),
        ("country", "visitors"),
        "visitors DESC, country",
        _visitors,
    ),
    Answer(
        "Are users with at least 5 VIEWs and at least 10 CLICKs 18 to 49 or 50 to 80 years old?",
        Etl("valuable_users_by_age_group", "reports", (_INTERACTIONS, _USERS), "an age group"),
        ("age_group", "users"),
        "users DESC, age_group",
        _valuable_users,
    ),
)
