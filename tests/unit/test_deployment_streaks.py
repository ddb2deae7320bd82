"""The proposal's claim: streaks brought forward batch by batch equal those of a full run."""

from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from docs import deployment_streaks as streaks

FIRST_DAY = date(2026, 2, 20)  # the days go over the end of a month

ids = st.integers(1, 12)
entities = st.sampled_from(["007", "7", "a"])
categories = st.sampled_from(["b", "B", "ä"])
amounts = st.one_of(st.integers(-3, 3), st.sampled_from([2**63 - 1, -(2**63)]))
days = st.integers(0, 12).map(lambda n: FIRST_DAY + timedelta(n))


@dataclass(frozen=True)
class Change:
    """A line of the source's log."""

    operation: str
    id: int
    entity: str = "007"
    category: str = "b"
    amount: int = 1
    day: date = FIRST_DAY


changes = st.builds(Change, st.sampled_from("IUD"), ids, entities, categories, amounts, days)
# Shrinking would take minutes, and what fails is small anyway.
QUICK = settings(deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
batches = st.lists(st.lists(changes, max_size=8), min_size=1, max_size=6)


class Lake:
    """The state in a DuckDB, and the log that it is made of."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(config={"threads": 1})
        self.position = 0
        streaks.create_state(self.connection)

    def stage(self, batch: list[Change], first: int) -> None:
        self.connection.execute("DELETE FROM changes")
        for position, change in enumerate(batch, first):
            self.connection.execute(
                "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?)",
                [position, *change.__dict__.values()],
            )

    def apply(self, batch: list[Change]) -> None:
        self.stage(batch, self.position + 1)
        self.position += len(batch)
        streaks.advance(self.connection)

    def rows(self, text: str) -> list[tuple[object, ...]]:
        return sorted(self.connection.execute(text).fetchall())

    def state(self) -> dict[str, list[tuple[object, ...]]]:
        return {name: self.rows(f"FROM {name}") for name in streaks.STATE}

    def full(self) -> list[tuple[object, ...]]:
        return self.rows(streaks.full_result(self.connection))

    def longest(self) -> int:
        ((n_days,),) = self.connection.execute("SELECT longest_streak FROM result").fetchall()
        return int(n_days)


def bought(id_: int, day: int, **columns: object) -> Change:
    return Change("I", id_, day=FIRST_DAY + timedelta(day), **columns)  # type: ignore[arg-type]


def replayed(log: list[Change]) -> list[tuple[object, ...]]:
    """The rows that a source with this log has."""
    rows: dict[int, Change] = {}
    for change in log:
        if change.operation == "D":
            rows.pop(change.id, None)
        else:
            rows[change.id] = change
    return sorted((c.id, c.entity, c.category, c.amount, c.day) for c in rows.values())


@settings(QUICK, max_examples=30)
@given(batches)
def test_batches_in_any_order_of_days_give_the_result_of_a_full_run(
    log: list[list[Change]],
) -> None:
    lake = Lake()
    for number, batch in enumerate(log, 1):
        lake.apply(batch)
        assert lake.state()["history"] == replayed(sum(log[:number], []))
        assert lake.rows(streaks.RESULT) == lake.full()
    assert streaks.count_differences(lake.connection) == 0


@settings(QUICK, max_examples=10)
@given(batches, st.data())
def test_a_batch_that_comes_again_changes_nothing(
    log: list[list[Change]], data: st.DataObject
) -> None:
    lake = Lake()
    for batch in log:
        lake.apply(batch)
    before = lake.state()
    again = data.draw(st.integers(0, len(log) - 1))
    lake.stage(log[again], 1 + sum(len(batch) for batch in log[:again]))
    streaks.advance(lake.connection)
    assert lake.state() == before


@settings(QUICK, max_examples=10)
@given(batches)
def test_a_state_built_from_history_equals_the_one_brought_forward(
    log: list[list[Change]],
) -> None:
    lake, built = Lake(), Lake()
    for batch in log:
        lake.apply(batch)
    for row in replayed(sum(log, [])):
        built.connection.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?)", row)
    streaks.build_state(built.connection)
    assert built.state() == lake.state()


def test_a_late_row_joins_two_runs() -> None:
    lake = Lake()
    lake.apply([bought(1, 0), bought(2, 1), bought(3, 3), bought(4, 4)])
    assert lake.longest() == 2
    lake.apply([bought(5, 2)])
    assert lake.longest() == 5


def test_a_deleted_row_splits_a_run_unless_its_day_has_another() -> None:
    lake = Lake()
    lake.apply([bought(number, number) for number in range(5)] + [bought(9, 2)])
    lake.apply([Change("D", 9)])
    assert lake.longest() == 5
    lake.apply([Change("D", 2)])
    assert lake.longest() == 2


def test_a_row_given_to_another_customer_leaves_the_first() -> None:
    lake = Lake()
    lake.apply([bought(1, 0, entity="007"), bought(2, 1, entity="7")])
    lake.apply([Change("U", 1, entity="7")])
    assert lake.rows(streaks.RESULT) == [("7", "b", 2)]


def test_negative_units_take_the_first_place_away() -> None:
    lake = Lake()
    lake.apply([bought(1, 0, category="b", amount=5), bought(2, 0, category="B", amount=3)])
    assert lake.rows(streaks.RESULT) == [("007", "b", 1)]
    lake.apply([bought(3, 0, category="b", amount=-4)])
    assert lake.rows(streaks.RESULT) == [("007", "B", 1)]


def test_a_batch_that_fails_leaves_the_state_as_it_was() -> None:
    lake = Lake()
    lake.apply([bought(1, 0)])
    before = lake.state()
    lake.stage([bought(2, 1)], 2)
    lake.connection.execute(
        "DROP TABLE applied;"
        "CREATE TABLE applied (position BIGINT CHECK (position < 2));"
        "INSERT INTO applied VALUES (1)"
    )
    with pytest.raises(duckdb.ConstraintException):
        streaks.advance(lake.connection)
    assert lake.state() == before
