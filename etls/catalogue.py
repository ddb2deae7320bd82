"""Every ETL there is: a line each, its SQL at the path of its target."""

import re
from hashlib import sha256
from typing import NamedTuple

from warehouse.errors import UsageError
from warehouse.queries import query


class Etl(NamedTuple):  # these start sooner than dataclasses, and each run starts anew
    """A function of its input tables and UTC dates, written in ``sql/<schema>/<table>.sql``.

    Beside it stands ``<table>_checks.sql``: what must hold of its result. Both are told
    ``first_date`` and ``last_date``; ``start`` and ``end``, the midnights at which the one begins
    and the other is over; about how many events there are between these, ``n_events``; and
    ``since``, the snapshot of the run before: an ETL may take that as a hint to work on nothing
    but the events outside it. One that is done ``in_halves`` keeps to the users from ``from_id``
    on and before ``to_id``; an empty one is no limit.
    """

    name: str  # also the table
    schema: str
    inputs: tuple[str, ...]  # raw tables, partitioned by day
    grain: str
    in_halves: bool = False  # two sessions may share its users, who meet at ``<table>_middle.sql``

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
    def middle(self) -> str:
        """The name of the SQL that finds where two sessions share its users."""
        return f"{self.sql}_middle"

    @property
    def definition(self) -> str:
        """A hash of its SQL, comments aside: what is made by another definition is stale."""
        statements = " ".join(re.sub(r"--.*", "", query(self.sql)).split())
        return sha256(statements.encode()).hexdigest()[:16]


_ARTICLES = ("raw.article_events",)
_ALL = (
    Etl(
        "users_dim",
        "crm",
        inputs=("raw.user_events",),
        grain="a user and state, type 2",
        in_halves=True,
    ),
    Etl("user_events_daily", "reports", inputs=("raw.user_events",), grain="a date"),
    Etl("article_performance", "reports", inputs=_ARTICLES, grain="an article and date"),
    Etl("user_performance", "reports", inputs=_ARTICLES, grain="a user and date"),
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
