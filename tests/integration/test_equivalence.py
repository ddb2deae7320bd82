"""The command that tells whether two versions of an ETL's SQL make the same table."""

import shutil
from pathlib import Path

import pytest

from dev import etl_versions
from dev.equivalence import compare
from dev.etl_versions import ALL, Recorded
from tests.integration.conftest import Database
from warehouse.errors import UsageError, WarehouseError

PROJECT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """A copy of the programs that a test may change."""
    for part in ("consumer", "etls", "feeds", "producer", "sql", "warehouse"):
        shutil.copytree(PROJECT / part, tmp_path / part)
    return tmp_path


@pytest.mark.parametrize(
    ("etl", "name", "old", "new"),
    [
        ("users_dim", "crm/users_dim.sql", "deduplicated", "last_of_each"),
        ("user_events_daily", "reports/user_events_daily.sql", "count(*),\n", "count(*), "),
        ("visitors_by_country", "reports/visitors_by_country.sql", "SELECT", "select"),
        ("customers", "aggregates/top_and_streak.sql", "SELECT", "select"),
    ],
)
def test_another_text_with_the_same_meaning_is_equivalent(
    database: Database, tree: Path, etl: str, name: str, old: str, new: str
) -> None:
    assert database
    path = tree / "sql" / name
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    compare(ALL[etl], tree, PROJECT)


@pytest.mark.parametrize(
    ("etl", "name", "old", "new"),
    [
        ("users_dim", "crm/users_dim.sql", "imported_at DESC, line DESC", "line DESC"),
        ("users_dim", "crm/users_dim.sql", "rank DESC, ", ""),
        ("users_dim", "crm/users_dim.sql", "ROW(username, user_email,", "ROW(username,"),
        (
            "users_dim",
            "crm/users_dim.sql",
            "    OR COALESCE(valid.valid_from >= :'start', false)\n",
            "",
        ),
        (
            "article_performance",
            "reports/article_performance.sql",
            "FROM imported_at",
            "FROM event_time",
        ),
        ("user_performance", "migrations/0005_reports.sql", "'my_news_card_viewed'", "'x'"),
        (
            "duplicates_by_date",
            "migrations/0005_reports.sql",
            "BY user_id, event_type",
            "BY event_type",
        ),
        ("user_activity", "aggregates/top_and_streak.sql", "min(totals", "max(totals"),
        (
            "users_dim",
            "crm/users_dim.sql",
            "organization_name, plan_name, is_deleted)",
            "is_deleted)",
        ),
        ("article_performance", "migrations/0005_reports.sql", "'Title'", "'Titel'"),
    ],
)
def test_another_meaning_is_found(
    database: Database, tree: Path, etl: str, name: str, old: str, new: str
) -> None:
    assert database
    path = tree / "sql" / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(WarehouseError, match="differs after step|breaks a check|column|duplicate"):
        compare(ALL[etl], tree, PROJECT)


def test_a_commit_that_has_not_the_recorded_sql_is_no_proof(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database
    monkeypatch.setattr(etl_versions, "recorded", lambda: {"users_dim": Recorded(1, "another")})
    monkeypatch.setattr("sys.argv", ["etl_versions", "equivalent", "users_dim"])
    with pytest.raises(UsageError, match="HEAD does not have the recorded SQL of users_dim"):
        getattr(etl_versions, "_run")()
