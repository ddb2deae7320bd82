"""The article lake and the questions about the web site, by the commands that a user types."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import oracle
from warehouse.postgres import connect

DATA = Path(__file__).parent.parent / "data"


def command(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(query: str) -> list[tuple[Any, ...]]:
    with connect(os.environ["DATABASE_URL"], "e2e") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def test_the_lake_ends_in_tables_and_a_picture(tmp_path: Path) -> None:
    for _ in range(2):
        command("run.py", "--reports", str(tmp_path))
        lake = sorted((DATA / "lake").iterdir())
        events = [e for path in lake for e in oracle.article_events(path.read_text("utf-8-sig"))]
        found = rows('SELECT * FROM article_performance ORDER BY article_id COLLATE "C", date')
        assert found == oracle.article_performance(events)
        found = rows(
            "SELECT user_id, date, sessions, round(avg_session_seconds::numeric, 6)::float,"
            ' displays, clicks, ctr FROM user_performance ORDER BY user_id COLLATE "C", date'
        )
        assert found == oracle.user_performance(events)
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg"}


def test_the_questions_are_answered() -> None:
    for feed, name in (("web_users", "users.csv"), ("user_interactions", "user_interaction.csv")):
        command("-m", "producer", "--feed", feed, str(DATA / name))
    said = command("-m", "etls", "answers")
    for answer in ("LOGIN: 39 of 178", "2021-03-04: 572 of 1,370", "TR: 205 of 633", "18-49: 17"):
        assert answer in said
