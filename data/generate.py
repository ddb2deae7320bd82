"""``python -m data.generate``: make the samples of ``data/`` anew, or a large file of one feed.

Everything follows from the seed: the same arguments make the same bytes.
"""

import argparse
import random
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TextIO

from data.articles import article_lines
from data.user_events import to_csv, user_event_lines
from data.web import interaction_lines, web_user_lines
from data.words import COMPANY_FORMS, COMPANY_WORDS, FIRST_NAMES

_HERE = Path(__file__).parent
_START = datetime(2020, 12, 5)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m data.generate", description=__doc__)
    parser.add_argument("--user-events", type=int, metavar="ROWS", help="to standard output")
    parser.add_argument(
        "--article-events", type=int, metavar="ROWS", help="a lake of daily files, in --folder"
    )
    parser.add_argument("--folder", type=Path, help="of the lake")
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.user_events:
        names = [name for _, name, _ in _organizations(random.Random(1))]
        lines = user_event_lines(
            arguments.user_events, _START, arguments.days, names, arguments.seed, broken=False
        )
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
        _write(sys.stdout, lines)
        return
    if arguments.article_events and not arguments.folder:
        parser.error("--article-events needs a --folder")
    files = _samples()
    if arguments.article_events:
        files = _lake(arguments.article_events, arguments.days, arguments.seed)
    for name, content in files:
        path = (arguments.folder or _HERE) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            _write(file, content)


def _write(file: TextIO, lines: Iterable[str]) -> None:
    for line in lines:
        file.write(line)


def _samples() -> Iterator[tuple[str, Iterable[str]]]:
    organizations = list(_organizations(random.Random(1)))
    names = [name for _, name, _ in organizations]
    yield "organizations.csv", [
        "organization_key,organization_name,created_at\n",
        *(to_csv(organization) for organization in organizations),
    ]
    yield "user_events.csv", user_event_lines(5000, _START, 7, names)
    yield "activity.csv", _activity(random.Random(2))
    yield "transaction.csv", _transactions(random.Random(3))
    yield "users.csv", web_user_lines(random.Random(4))
    yield "user_interaction.csv", interaction_lines(random.Random(5))
    for day in (date(2019, 2, 15), date(2019, 2, 16)):
        yield f"lake/{day}.tsv", article_lines(random.Random(day.toordinal()), day)


def _lake(rows: int, days: int, seed: int) -> Iterator[tuple[str, Iterable[str]]]:
    """A file a day, all rows good."""
    for number in range(days):
        day = date(2019, 2, 1) + timedelta(days=number)
        count = rows * (number + 1) // days - rows * number // days
        dice = random.Random(seed * 1000 + number)
        yield f"{day}.tsv", article_lines(dice, day, count, articles=2000, broken=False)


def _organizations(dice: random.Random) -> Iterator[tuple[str, str, str]]:
    for number in range(1, 201):
        words = " ".join(dice.sample(COMPANY_WORDS, 2))
        name = f"{words} {dice.choice(COMPANY_FORMS)}"
        if number % 40 == 0:
            name = f'{words}, "{dice.choice(FIRST_NAMES)}" {dice.choice(COMPANY_FORMS)}'
        created = datetime(2018, 1, 1) + timedelta(minutes=dice.randrange(1_000_000))
        yield f"org-{number:04}", name, f"{created:%Y-%m-%d %H:%M:%S}"


def _activity(dice: random.Random) -> Iterator[str]:
    yield "active_date,user_id,workspace_id,total_activity\n"
    users = ["5bfd0e8d472bcf0009a1014d", *(_hex_id(dice) for _ in range(19))]
    workspaces = [_hex_id(dice) for _ in range(8)]
    rows = [
        (date(2017, 11, 1) + timedelta(days=day), user, workspace, _total(dice))
        for user in users
        for day in sorted(dice.sample(range(60), 14))
        for workspace in dice.sample(workspaces, dice.choice((1, 1, 2)))
    ]
    lines = [to_csv(row) for row in sorted(rows, key=lambda row: row[0])]
    yield from lines[:-1]
    yield lines[-1].rstrip("\n")  # as the real ones: no newline at the end


def _total(dice: random.Random) -> int:
    return 0 if dice.random() < 0.3 else dice.randrange(1, 200)


def _hex_id(dice: random.Random) -> str:
    return f"{dice.getrandbits(96):024x}"


def _transactions(dice: random.Random) -> Iterator[str]:
    yield "transactionId|custId|transactionDate|productSold|unitsSold\n"
    customers = ["0023938", *(f"{dice.randrange(100_000):07}" for _ in range(29))]
    products = ("DETA200", "DETA800", "PURA100", "PURA250", "PURA500", "SUPA101", "SUPA103")
    for number in range(1, 501):
        day = date(2011, 8, 1) + timedelta(days=dice.randrange(40))
        units = dice.randrange(1, 25)
        product = dice.choice(products)
        yield to_csv((f"{number:08}", dice.choice(customers), day, product, units), "|")


if __name__ == "__main__":
    main()
