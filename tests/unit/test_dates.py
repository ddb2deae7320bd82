"""Which dates a person asks for."""

from datetime import date

import pytest

from etls.catalogue import ETLS, etl_named
from etls.dates import chosen_dates
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
        assert "%(import_date)s" in query(etl.sql)


def test_an_unknown_etl_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="no ETL is called 'x'; there are users_dim"):
        etl_named("x")
