"""Lives of users: created, updated, deleted, some created again; told day by day."""

import csv
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from data.words import AWKWARD_NAMES, FIRST_NAMES, LAST_NAMES, PLANS, USER_TYPES

HEADER = "id,event_type,username,user_email,user_type,organization_name,plan_name,received_at"

_FIRST_USERS = 60  # before anything else happens
_LATE = 0.01  # share of events that arrive a day late
_TIED = 0.02  # share of updates that fall on the instant of the event before
_DUPLICATED = 0.006  # share of rows that are there twice
_UNCHANGED = 0.05  # share of updates that change nothing


@dataclass(frozen=True)
class User:
    """A user's state after an event."""

    id: str
    username: str
    email: str
    user_type: str
    organization: str
    plan: str
    deleted: bool = False


def user_event_lines(
    rows: int,
    start: datetime,
    days: int,
    organizations: list[str],
    seed: int = 1,
    broken: bool = True,
) -> Iterator[str]:
    """The lines of a file with about ``rows`` events over ``days`` days, header first."""
    dice = random.Random(seed)
    broken_rows = iter(_broken_rows() if broken else ())
    yield HEADER + "\n"
    every = max(1, rows // 40)  # good rows for a broken one
    for position, line in enumerate(_good_lines(dice, rows, start, days, organizations), 1):
        yield line
        if position % every == every // 2:
            yield next(broken_rows, "")


def _good_lines(
    dice: random.Random, rows: int, start: datetime, days: int, organizations: list[str]
) -> Iterator[str]:
    users: list[User] = []
    late: list[str] = []
    for day in range(days):
        carried, late = late, []
        before = today = start + timedelta(days=day)
        for offset in sorted(dice.randrange(86_400_000_000) for _ in range(rows // days)):
            tied = dice.random() < _TIED
            before = before if tied else today + timedelta(microseconds=offset)
            line = _next_event(dice, users, organizations, before)
            if dice.random() < _LATE and day < days - 1:
                late.append(line)
                continue
            yield line
            if dice.random() < _DUPLICATED:
                yield line
            if carried and dice.random() < 2 * _LATE:
                yield carried.pop(0)
        yield from carried


def _next_event(
    dice: random.Random, users: list[User], organizations: list[str], instant: datetime
) -> str:
    if len(users) < _FIRST_USERS or dice.random() < 0.45:
        users.append(_new_user(dice, organizations))
        return _line("User Created", users[-1], instant)
    index = dice.randrange(len(users))
    if dice.random() < 0.4:  # some users have long lives
        index = dice.randrange(max(1, len(users) // 20))
    user = users[index]
    if user.deleted:
        users[index] = replace(user, deleted=False, plan=dice.choice(PLANS))
        return _line("User Created", users[index], instant)
    if dice.random() < 0.2:
        users[index] = replace(user, deleted=True)
        return _line("User Deleted", users[index], instant)
    users[index] = user if dice.random() < _UNCHANGED else _changed(dice, user)
    return _line("User Updated", users[index], instant)


def _new_user(dice: random.Random, organizations: list[str]) -> User:
    digits = 33 if dice.random() < 0.01 else 32
    number = f"{dice.getrandbits(4 * digits):0{digits}x}"
    name = f"{dice.choice(FIRST_NAMES)} {dice.choice(LAST_NAMES)}"
    if dice.random() < 0.02:
        name = dice.choice(AWKWARD_NAMES)
    return User(
        number,
        name,
        f"{number[:8]}@example.com",
        dice.choice(USER_TYPES),
        dice.choice(organizations),
        dice.choice(PLANS),
    )


def _changed(dice: random.Random, user: User) -> User:
    match dice.randrange(3):
        case 0:
            return replace(user, email=f"{dice.getrandbits(32):08x}@example.org")
        case 1:
            return replace(user, plan=dice.choice([p for p in PLANS if p != user.plan]))
        case _:
            return replace(user, username=f"{dice.choice(FIRST_NAMES)} {dice.choice(LAST_NAMES)}")


def _line(event_type: str, user: User, instant: datetime) -> str:
    fields = (user.id, event_type, user.username, user.email, user.user_type)
    return to_csv((*fields, user.organization, user.plan, f"{instant:%Y-%m-%d %H:%M:%S.%f}"))


def to_csv(fields: tuple[object, ...], delimiter: str = ",") -> str:
    """One line of CSV."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(fields)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _broken_rows() -> Iterator[str]:
    """Rows that break the contract, each in another way; surrogates stand for bytes not UTF-8."""
    good = "d41d8cd98f00b204e9800998ecf8427e,User Updated,x,x@example.com,Member,Acme,Free"
    when = "2020-12-08 10:00:00.000000"
    for row in (
        f"{good},2020-02-30 10:00:00.000000",
        f"{good},2020-13-01 10:00:00",
        f"{good},1607421600",
        f"{good},yesterday",
        f"{good},",
        f"{good},2020-12-08",
        f"{good},08.12.2020 10:00",
        f"{good},2020-12-08 25:00:00",
        f",User Updated,x,x@example.com,Member,Acme,Free,{when}",
        f"d41d8,User Renamed,x,x@example.com,Member,Acme,Free,{when}",
        f"d41d8,user created,x,x@example.com,Member,Acme,Free,{when}",
        f"d41d8,,x,x@example.com,Member,Acme,Free,{when}",
        "d41d8,User Updated,x",
        f"{good},{when},one,more",
        "just some words",
        good.replace(",", ";") + f";{when}",
        f'd41d8,User Updated,"never closed,x@example.com,Member,Acme,Free,{when}',
        f'd41d8,User Updated,"closed"early,x@example.com,Member,Acme,Free,{when}',
        f"d41d8,User Updated,nul\x00byte,x@example.com,Member,Acme,Free,{when}",
        f"d41d8,User Updated,Latin-1 \udce9t\udce9,x@example.com,Member,Acme,Free,{when}",
        f"{good},{when} +99:00",
        f"{good},0000-00-00 00:00:00",
        "{}",
        ",,,,,,,",
        HEADER,
        f"{good},2020/12/08 10:00:00",
        f"{good},10000-01-01 00:00:00",
        f"{good},2020-12-08 10:00:60",
        f"{good},2020-12-08 10:00:00.123456789",
        f"{good},infinity",
        f"{good},{when},",
        f"d41d8,User Created ,x,x@example.com,Member,Acme,Free,{when}",
        f"d41d8,User Updated,half a pair \udced\udca0\udc80,x@example.com,Member,Acme,Free,{when}",
        f'"d41d8,User Updated,x,x@example.com,Member,Acme,Free,{when}',
        f'd41d8,User Updated,x,x@example.com,Member,"Acme" Ltd,Free,{when}',
        "# end of export",
    ):
        yield row + "\n"
