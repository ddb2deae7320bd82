"""Every ETL there is: a line each, its SQL at the path of its target."""

from dataclasses import dataclass

from warehouse.errors import UsageError


@dataclass(frozen=True)
class Etl:
    """A function of its input tables and one UTC date, written in ``sql/<schema>/<table>.sql``."""

    name: str  # also the table
    schema: str
    inputs: tuple[str, ...]

    @property
    def sql(self) -> str:
        """The name of its SQL."""
        return f"{self.schema}/{self.name}"


_ALL = (
    Etl("users_dim", "crm", inputs=("raw.user_events",)),
    Etl("user_events_daily", "reports", inputs=("raw.user_events",)),
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
