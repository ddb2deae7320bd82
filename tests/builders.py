"""Events for tests, without long literals."""

import csv
import io
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from consumer.batch import Parcel
from feeds import FEEDS
from warehouse.message import JSON, Delivery

USER_EVENTS = FEEDS["user_events"]
SAMPLES = Path(__file__).resolve().parent.parent / "data"


@dataclass(frozen=True)
class UserEvent:
    """One row of a user events file."""

    id: str = "zeus"
    event_type: str = "User Created"
    username: str = "Zeus"
    user_email: str = "zeus@olympus.gr"
    user_type: str = "Admin"
    organization_name: str = "Olympus"
    plan_name: str = "Free"
    received_at: str = "2020-12-06 10:00:00.000000"

    def updated(self, at: str, **changes: str) -> "UserEvent":
        """The same user, changed at a later instant."""
        return replace(self, event_type="User Updated", received_at=at, **changes)

    def deleted(self, at: str) -> "UserEvent":
        """The same user, deleted."""
        return replace(self, event_type="User Deleted", received_at=at)

    def created(self, at: str) -> "UserEvent":
        """The same user, created again."""
        return replace(self, event_type="User Created", received_at=at)

    @property
    def line(self) -> str:
        """The row as a file has it."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(astuple(self))
        return text.getvalue()


def write_csv(path: Path, *events: UserEvent | str) -> Path:
    """A user events file; a string is a line as it stands."""
    lines = [event if isinstance(event, str) else event.line for event in events]
    header = ",".join(USER_EVENTS.header) + "\n"
    path.write_text(header + "".join(lines), encoding="utf-8", newline="")
    return path


def delivery(
    body: bytes | str = b"{}",
    content_type: str | None = JSON,
    *,
    feed: str = "user_events",
    message_id: str | None = None,
    headers: dict[str, object] | None = None,
    tag: int = 1,
) -> Delivery:
    """A message as the consumer gets it."""
    raw = body.encode() if isinstance(body, str) else body
    return Delivery(1, tag, content_type, raw, headers or {}, feed, message_id)


def rows_in(parcel: Parcel) -> dict[bytes, bytes]:
    """The good rows of a parcel, by their ids, as COPY takes them."""
    return {
        event_id: block.data[start:end]
        for block in parcel.blocks
        for event_id, start, end in zip(block.ids, block.offsets, block.offsets[1:])
    }


def lines_in(parcel: Parcel) -> list[int]:
    """The lines of the good rows of a parcel."""
    return sorted(int(line) for block in parcel.blocks for line in block.lines)


def rejects_in(parcel: Parcel) -> list[tuple[int, bytes, str, str, bytes]]:
    """The rejects of a parcel: line, id, code, reason, and the row as it came."""
    return [
        (r.row.line, r.row.event_id.bytes, r.code, r.reason, r.row.payload) for r in parcel.rejected
    ]
