"""Samples of the article lake: a day's events in the news app, session by session."""

import json
import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from data.words import TOPICS

_HEADER = "\ufeffTIMESTAMP\tMD5(SESSION_ID)\tEVENT_NAME\tMD5(USER_ID)\tATTRIBUTES\n"
_OTHERS = ("article_closed", "home_teaser_tapped", "content_shared", "refreshed_manually")
_A_DAY, _LONGEST_SESSION = 86_400_000, 1_200_000  # milliseconds
_EVENTS_OF_A_SESSION = 14  # about


def article_lines(
    dice: random.Random, day: date, rows: int = 800, articles: int = 59, broken: bool = True
) -> Iterator[str]:
    """A daily file; with ``broken``, some rows whose JSON is cut off."""
    readers = random.Random(0)
    users = [_md5(readers) for _ in range(max(40, rows // 30))]
    sessions = [
        (_md5(dice), dice.choice(users), dice.randrange(_A_DAY - _LONGEST_SESSION))
        for _ in range(rows // _EVENTS_OF_A_SESSION)
    ]
    yield _HEADER
    for offset, session, user in sorted(_event(dice, sessions) for _ in range(rows)):
        instant = datetime(day.year, day.month, day.day) + timedelta(milliseconds=offset)
        if dice.random() < 0.02:
            session, user = "", ""
        article = dice.randrange(1, articles + 1)
        yield f"{instant:%Y-%m-%d %H:%M:%S}.{instant.microsecond // 1000:03} +0000\t{session}\t"
        yield f"{_name(dice, article)}\t{user}\t{_attributes(dice, article, instant, broken)}\n"


def _event(dice: random.Random, sessions: list[tuple[str, str, int]]) -> tuple[int, str, str]:
    """When it was, in milliseconds, and in whose session."""
    session, user, start = dice.choice(sessions)
    return start + dice.randrange(_LONGEST_SESSION), session, user


def _name(dice: random.Random, article: int) -> str:
    """Some topics are clicked more often than others."""
    clicks = 8 + 4 * (article % len(TOPICS))
    names = ("top_news_card_viewed", "my_news_card_viewed", "article_viewed", dice.choice(_OTHERS))
    return dice.choices(names, (45, 30, clicks, 15))[0]


def _attributes(dice: random.Random, article: int, instant: datetime, broken: bool) -> str:
    chance = dice.random()
    if chance < 0.06:
        return dice.choice(("", "{}"))
    if chance < 0.07 and broken:
        return '{"id": "cut off'
    found = {"id": f"a{article:05}", "title": f"№ {article}"}
    if article % 13:
        found["category"] = TOPICS[article % len(TOPICS)]
    if article % 7 == 0 and instant.hour >= 12:
        found["title"] += ", updated"
    if chance < 0.1:
        found = {key.upper() if key == "id" else key.title(): v for key, v in found.items()}
    text = json.dumps(found, ensure_ascii=False)
    return '"' + text.replace('"', '""') + '"' if chance > 0.95 else text


def _md5(dice: random.Random) -> str:
    return f"{dice.getrandbits(128):032x}"
