"""Which dates a person asks for, and which are worked on together."""

from datetime import date, timedelta

import pytest

from etls.catalogue import ETLS, etl_named
from etls.dates import chosen_dates
from etls.run_log import WorkEstimate
from etls.runner import groups
from warehouse.errors import UsageError
from warehouse.queries import SQL, query


def test_one_date() -> None:
    assert chosen_dates("2020-12-05", None, None) == [date(2020, 12, 5)]


def test_a_range_includes_both_ends() -> None:
    days = chosen_dates(None, "2020-02-28", "2020-03-01")
    assert days == [date(2020, 2, 28), date(2020, 2, 29), date(2020, 3, 1)]


@pytest.mark.parametrize(
    ("day", "first", "last", "complaint"),
    [
        (None, None, None, "no date given: type IMPORT_DATE=2020-12-05 make users_dim"),
        ("", "", "", "no date given"),
        ("2020-02-30", None, None, "'2020-02-30' is not a date .day is out of range"),
        ("05.12.2020", None, None, "not of the form YYYY-MM-DD"),
        ("20201205", None, None, "not of the form YYYY-MM-DD"),
        (None, "2020-12-05", None, "TO is missing"),
        (None, None, "2020-12-05", "FROM is missing"),
        (None, "2020-12-05", "2020-12-04", "FROM 2020-12-05 lies after TO 2020-12-04"),
    ],
)
def test_what_is_no_date_says_what_to_type(
    day: str | None, first: str | None, last: str | None, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        chosen_dates(day, first, last)
    assert caught.value.exit_code == 2


def test_every_etl_has_its_sql_at_the_path_of_its_target() -> None:
    for etl in ETLS.values():
        assert (SQL / etl.schema / f"{etl.name}.sql").is_file()
        assert "%(start)s" in query(etl.sql) and "%(end)s" in query(etl.sql)
        assert "%(start)s" in query(etl.checks) or "%(first_date)s" in query(etl.checks)


def estimate(day: int, is_known: bool) -> WorkEstimate:
    return WorkEstimate(date(2020, 12, day), 1, is_known)


@pytest.mark.parametrize(
    ("found", "full", "expected"),
    [
        ([], False, []),
        ([estimate(1, False), estimate(2, False), estimate(4, False)], False, [[1, 2], [4]]),
        ([estimate(1, False), estimate(2, True), estimate(3, False)], False, [[1], [2], [3]]),
        ([estimate(1, True), estimate(2, True)], False, [[1], [2]]),
        ([estimate(1, True), estimate(2, False), estimate(3, True)], True, [[1, 2, 3]]),
    ],
)
def test_dates_in_a_row_are_worked_on_together_where_all_has_to_be_done(
    found: list[WorkEstimate], full: bool, expected: list[list[int]]
) -> None:
    assert [[day.day for day in group] for group in groups(found, full=full)] == expected


@pytest.mark.parametrize(("n_bytes", "longest"), [(1, 31), (200_000_000, 5), (2_000_000_000, 1)])
def test_a_transaction_works_on_no_more_than_it_can_hold(n_bytes: int, longest: int) -> None:
    year = [WorkEstimate(date(2020, 1, 1) + timedelta(days=n), n_bytes, False) for n in range(366)]
    lengths = [len(group) for group in groups(year, full=False)]
    assert max(lengths) == longest and sum(lengths) == 366


def test_an_unknown_etl_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="no ETL is called 'x'; there are users_dim"):
        etl_named("x")
