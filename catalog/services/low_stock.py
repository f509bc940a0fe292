"""The notice that people see when a product runs low."""

from catalog.models import LowStockNotice
from erp_site.core.models import Event
from erp_site.core.transactions import retrying_atomic


@retrying_atomic
def note_low_stock(event: Event) -> None:
    """Turn a stock.low event into a notice; the same event again changes nothing (it may be delivered twice)."""
    LowStockNotice.objects.get_or_create(
        event_uid=event.uid,
        defaults={
            "product_id": event.payload["product_id"],
            "available": event.payload["available"],
            "threshold": event.payload["threshold"],
            "created_at": event.created_at,
        },
    )
