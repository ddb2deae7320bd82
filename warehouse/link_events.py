"""What happens on a link to the broker, in our own terms."""

from dataclasses import dataclass

from warehouse.message import Delivery


@dataclass(frozen=True, slots=True)
class Opened:
    """The channel is open and everything is declared. Nothing sent before is known to have come."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The channel is gone, or could not be opened; unacknowledged deliveries will come again."""

    reason: str
    permanent: bool = False  # trying again will not help: the broker refused our name or password


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The broker keeps these messages safely."""

    message_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker could not take these messages; they may be sent again."""

    message_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Returned:
    """No queue wants this message."""

    message_id: str
    feed: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """The broker takes nothing until it has memory or disk again; a later one says it has."""

    blocked: bool


Event = Opened | Lost | Confirmed | Refused | Returned | Blocked | Delivery | None
