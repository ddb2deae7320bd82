"""Samples of the web site: its registered users, and what visitors did.

Livelier than life needs, so that every question about them has something to find: wrong user ids in
some event types more than in others, a date with masses of duplicates, an uneven spread of
countries, and users on both sides of every limit.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product

_START = datetime(2021, 3, 1)
_DAYS = 9
_MASSES = 4  # of March: the day of duplicates
_USERS = 600
_EVENTS = 6000
_COUNTRIES = (("TR", "DE", "US", "FR", "NL", "GB", "ES", "JP"), (34, 22, 14, 11, 8, 5, 4, 2))
_AT_LIMITS = ("17", "18", "49", "50", "80", "81", "18-49", "18-45", "46-80", "50-80", "10-17", "")
_VIEWS_AND_CLICKS = ((5, 10), (4, 10), (5, 9), (6, 12))
_EDGE_USERS = len(_AT_LIMITS) * len(_VIEWS_AND_CLICKS)  # the first users; they do nothing else
_TYPES = {"VIEW": 46, "CLICK": 34, "SCROLL": 9, "EXIT": 6, "LOGIN": 3, "PURCHASE": 2}
_WRONG = {"LOGIN": 0.22, "EXIT": 0.12}  # share of user ids that do not exist; else:
_WRONG_ELSE = 0.004


def web_user_lines(dice: random.Random) -> Iterator[str]:
    """The users, without a header, values quoted as their export does."""
    for user_id in range(1, _USERS + 1):
        if user_id <= _EDGE_USERS:
            age = _AT_LIMITS[(user_id - 1) // len(_VIEWS_AND_CLICKS)]
        else:
            age = dice.choice(
                (str(dice.randrange(12, 90)), str(dice.randrange(18, 60)), "18-45", "46-80", "")
            )
        country = dice.choices(*_COUNTRIES)[0]
        yield f"{user_id}, {_quoted(age)}, {_quoted(country if dice.random() > 0.02 else '')}\n"


def interaction_lines(dice: random.Random) -> Iterator[str]:
    """The interactions, in the order of time."""
    events = [*_random_events(dice), *_events_at_limits(dice)]
    for when, user_id, kind in sorted(events):
        event_id = _uuid(dice)
        yield _line(event_id, user_id, kind, when)
        again, under_another_id = (0.55, 0.15) if when.day == _MASSES else (0.004, 0.003)
        if dice.random() < again:
            yield _line(event_id, user_id, kind, when)
        if dice.random() < under_another_id:
            yield _line(_uuid(dice), user_id, kind, when)


def _random_events(dice: random.Random) -> Iterator[tuple[datetime, int, str]]:
    for _ in range(_EVENTS):
        kind = dice.choices(tuple(_TYPES), tuple(_TYPES.values()))[0]
        user_id = _EDGE_USERS + 1 + int((_USERS - _EDGE_USERS) * dice.random() ** 2)
        if dice.random() < _WRONG.get(kind, _WRONG_ELSE):
            user_id = dice.choice((0, -1, dice.randrange(10_000, 99_999)))
        yield _instant(dice), user_id, kind


def _events_at_limits(dice: random.Random) -> Iterator[tuple[datetime, int, str]]:
    """Just enough, one too few of either, and more than enough, for each age on a limit."""
    for number, (_, (views, clicks)) in enumerate(product(_AT_LIMITS, _VIEWS_AND_CLICKS), 1):
        for kind in ["VIEW"] * views + ["CLICK"] * clicks:
            yield _instant(dice), number, kind


def _instant(dice: random.Random) -> datetime:
    return _START + timedelta(seconds=dice.randrange(_DAYS * 86_400))


def _line(event_id: str, user_id: int, kind: str, when: datetime) -> str:
    return f"{event_id}, {user_id}, '{kind}', '{when:%Y-%m-%d %H:%M:%S}'\n"


def _quoted(value: str) -> str:
    return f"'{value}'" if value else ""


def _uuid(dice: random.Random) -> str:
    digits = f"{dice.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
