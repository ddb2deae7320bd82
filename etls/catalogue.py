"""Every ETL there is: a line each, its SQL at the path of its target."""

from typing import NamedTuple

from warehouse.errors import UsageError


class Etl(NamedTuple):  # starts sooner than a dataclass, and each run is a process
    """A function of its input tables and UTC dates, written in ``sql/<schema>/<table>.sql``.

    Beside it stands ``<table>_checks.sql``: what must hold of its result. Both are told
    ``first_date`` and ``last_date``; ``start`` and ``end``, the midnights at which the first date
    begins and the last one is over; ``since``, the snapshot of the run before: an ETL may limit
    itself to the events that it does not show; ``is_rerun``, whether whole dates are done again.

    ``version`` is raised with each change of the SQL, or of a view or function that it reads, that
    changes results: dates of another version are stale. ``make etl_versions`` says when.
    """

    name: str  # also the table
    schema: str
    inputs: tuple[str, ...]  # raw tables, partitioned by day
    grain: str
    version: int = 1
    date_column: str = "event_date"  # of the table, where it has one; for make verify

    @property
    def target(self) -> str:
        """The table it fills."""
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """The name of its SQL."""
        return f"{self.schema}/{self.name}"

    @property
    def checks(self) -> str:
        """The name of the SQL of its data checks."""
        return f"{self.sql}_checks"

    @property
    def verification(self) -> str:
        """The name of the SQL that examines its whole table, if its checks are not enough."""
        return f"{self.sql}_verify"


_ARTICLES = ("raw.article_events",)
_ALL = (
    Etl(
        "users_dim",
        "crm",
        inputs=("raw.user_events",),
        grain="a user and state, type 2",
    ),
    Etl("user_events_daily", "reports", inputs=("raw.user_events",), grain="a date"),
    Etl(
        "article_performance",
        "reports",
        inputs=_ARTICLES,
        grain="an article and date",
        date_column="date",
    ),
    Etl(
        "user_performance", "reports", inputs=_ARTICLES, grain="a user and date", date_column="date"
    ),
)

ETLS: dict[str, Etl] = {etl.name: etl for etl in _ALL}


def etl_named(name: str) -> Etl:
    """The ETL of that name.

    Raises:
        UsageError: there is no such ETL.
    """
    try:
        return ETLS[name]
    except KeyError:
        raise UsageError(f"no ETL is called {name!r}; there are {', '.join(ETLS)}") from None
