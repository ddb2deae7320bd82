"""The ledger: a receipt for each message of an import, committed together with its rows.

It makes a message that comes again cheap to recognise, and an import possible to audit.
"""

from collections.abc import Sequence
from datetime import datetime

from consumer.batch import Parcel
from warehouse.message import Receipt, lines_in
from warehouse.postgres import Cursor, storable
from warehouse.queries import query

Key = tuple[datetime, str]


def find_receipts(cursor: Cursor, keys: Sequence[Key]) -> dict[Key, Receipt]:
    """The receipts there are for these messages."""
    if not keys:
        return {}
    imported_at, message_ids = zip(*keys)
    cursor.execute(
        query("raw/find_receipts"),
        {"imported_at": list(imported_at), "message_id": list(message_ids)},
    )
    return {(at, name): Receipt(*counts) for at, name, *counts in cursor}


def record_receipts(
    cursor: Cursor, receipts: Sequence[tuple[Parcel, Key, Receipt]]
) -> dict[Key, Receipt]:
    """Enter receipts; those that count, which another consumer may have entered before."""
    if not receipts:
        return {}
    cursor.execute(
        query("raw/record_receipts"),
        {
            "imported_at": [at for _, (at, _), _ in receipts],
            "message_id": [name for _, (_, name), _ in receipts],
            "feed": [parcel.delivery.feed for parcel, _, _ in receipts],
            "source": [storable(parcel.source) for parcel, _, _ in receipts],
            "first_line": [parcel.delivery.first_line for parcel, _, _ in receipts],
            "n_lines": [lines_in(parcel.delivery) for parcel, _, _ in receipts],
            "stored": [receipt.stored for _, _, receipt in receipts],
            "already_there": [receipt.already_there for _, _, receipt in receipts],
            "rejected": [receipt.rejected for _, _, receipt in receipts],
            "dead": [receipt.dead_lettered for _, _, receipt in receipts],
            "n_rows": [parcel.claimed_rows for parcel, _, _ in receipts],
        },
    )
    if cursor.rowcount == len(receipts):
        return {key: receipt for _, key, receipt in receipts}
    return find_receipts(cursor, [key for _, key, _ in receipts])


def record_imports(cursor: Cursor, parcels: Sequence[Parcel]) -> None:
    """Enter what producers say they have published."""
    for parcel in parcels:
        assert parcel.manifest is not None
        cursor.execute(
            query("raw/record_import"),
            {
                **parcel.manifest.model_dump(),
                "error": storable(parcel.manifest.error),
                "fingerprint": storable(parcel.manifest.fingerprint),
                "imported_at": parcel.imported_at,
                "feed": parcel.delivery.feed,
                "source": storable(parcel.source),
            },
        )
