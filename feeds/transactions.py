"""Purchases: which customer bought how many units of which product on which day."""

from pydantic import Field

from feeds.core.declaration import Dialect, EventModel, Feed
from feeds.core.types import CalendarDate, Integer, Text


class Transaction(EventModel):
    """One purchase; ids are text, their leading zeros count."""

    transaction_id: Text = Field(alias="transactionId")
    customer_id: Text = Field(alias="custId")
    transaction_date: CalendarDate = Field(alias="transactionDate")
    product_sold: Text = Field(alias="productSold")
    units_sold: Integer = Field(alias="unitsSold")


FEED = Feed(
    name="transactions",
    model=Transaction,
    event_time="transactionDate",
    dialect=Dialect(delimiter="|"),
)
