"""How a feed is declared: the one description that producer, consumer, tables and tests read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from pydantic import BaseModel, ConfigDict

from feeds.core.types import COLUMN_TYPES, column_type


class UnsupportedType(TypeError):
    """A feed declares a column of a type that its raw table cannot have."""


def _described(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


@dataclass(frozen=True)
class Dialect:
    """How a feed's files are written; always UTF-8, with or without a byte order mark."""

    delimiter: str = ","
    quote: str | None = '"'  # None: quotes are literal
    has_header: bool = True
    skip_space: bool = False  # blanks after a delimiter do not belong to the value


class EventModel(BaseModel):
    """What every feed's model is: a field it does not know is a reject, not a loss in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, eq=False)
class Feed:
    """A kind of event.

    The model is the contract: its fields, in order, are the columns of the raw table; a field's
    alias (or else its name) is the column's name in the file and the key in JSON. A field without
    a default may not be empty.

    Raises:
        UnsupportedType: a column's type is none that a raw table can have.
    """

    name: str  # also the routing key, and the raw table
    model: type[EventModel]
    event_time: str | None  # the file's column that says when the event happened
    dialect: Dialect = Dialect()
    table: str = ""  # default: raw.<name>
    queued: bool = True  # False: loaded by COPY, not through the broker
    conflict_key: str = "event_id"  # the column that identifies a row

    def __post_init__(self) -> None:
        if not self.table:
            object.__setattr__(self, "table", f"raw.{self.name}")
        for column, field in self.model.model_fields.items():
            if column_type(field.annotation) is None:
                kinds = ", ".join(kind.__name__ for kind in COLUMN_TYPES)
                raise UnsupportedType(
                    f"feed {self.name}, column {column}: {_described(field.annotation)} is no type"
                    f" that a raw table can have; the types are {kinds}, as feeds/core/types.py"
                    " narrows them"
                )

    @cached_property
    def time_column(self) -> str | None:
        """The raw table's column that says when the event happened: its days are partitions."""
        if self.event_time is None or not self.queued:
            return None
        return self.columns[self.header.index(self.event_time)]

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The columns by which a row is recognised as already there."""
        return (self.conflict_key, *([self.time_column] if self.time_column else []))

    @cached_property
    def header(self) -> tuple[str, ...]:
        """The file's column names, in the order of the declaration."""
        return tuple(f.alias or name for name, f in self.model.model_fields.items())

    @cached_property
    def values_of(self) -> Callable[[EventModel], tuple[Any, ...]]:
        """What takes the values out of an event, in the order of the columns."""
        return attrgetter(*self.columns)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The raw table's names for the same columns, in the same order."""
        return tuple(self.model.model_fields)
