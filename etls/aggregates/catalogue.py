"""Every aggregate there is: which feed it is made of, and what its columns are called."""

from dataclasses import dataclass

from feeds import feed_named
from feeds.core.declaration import Feed
from warehouse.errors import UsageError


@dataclass(frozen=True)
class Aggregate:
    """The facts of ``sql/aggregates/top_and_streak.sql``, as columns of a feed's raw table."""

    name: str  # also the table, as an ETL makes it
    feed: Feed
    entity: str
    category: str
    amount: str
    day: str
    columns: tuple[str, str, str]  # of the result
    version: int = 1  # as that of an ETL

    @property
    def facts(self) -> dict[str, str]:
        """The feed's column of each of the facts."""
        return {
            "entity": self.entity,
            "category": self.category,
            "amount": self.amount,
            "day": self.day,
        }


_ALL = (
    Aggregate(
        name="user_activity",
        feed=feed_named("activity"),
        entity="user_id",
        category="workspace_id",
        amount="total_activity",
        day="active_date",
        columns=("user_id", "top_workspace", "longest_streak"),
    ),
    Aggregate(
        name="customers",
        feed=feed_named("transactions"),
        entity="customer_id",
        category="product_sold",
        amount="units_sold",
        day="transaction_date",
        columns=("customer_id", "favourite_product", "longest_streak"),
    ),
)

AGGREGATES: dict[str, Aggregate] = {aggregate.name: aggregate for aggregate in _ALL}


def aggregate_named(name: str) -> Aggregate:
    """The aggregate of that name.

    Raises:
        UsageError: there is no such aggregate.
    """
    try:
        return AGGREGATES[name]
    except KeyError:
        raise UsageError(
            f"no aggregate is called {name!r}; there are {', '.join(AGGREGATES)}"
        ) from None


def aggregate_of(feed: str) -> Aggregate:
    """The aggregate that is made of a feed.

    Raises:
        UsageError: there is none.
    """
    for aggregate in _ALL:
        if aggregate.feed.name == feed:
            return aggregate
    names = ", ".join(aggregate.feed.name for aggregate in _ALL)
    raise UsageError(f"no aggregate is made of feed {feed!r}; the feeds are {names}")
