"""Record what happened to products and their stock, inside the service's transaction; and the one warehouse
there always is."""

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.apps.registry import Apps
from django.apps.registry import apps as installed_apps
from django.dispatch import receiver
from django.utils.translation import gettext as _

from erp_site.core import events
from erp_site.core.events import Actor, Aggregate, EventType, Fact
from erp_site.core.money import to_text

from .models import PriceList, Product, StockMovement, available
from .signals import (
    price_list_created,
    price_list_deleted,
    price_list_updated,
    prices_changed,
    product_created,
    product_deleted,
    product_updated,
    stock_adjusted,
)

if TYPE_CHECKING:
    from .services import PriceChange, StockChange

DEFAULT_WAREHOUSE = "MAIN"


def make_default_warehouse(*, using: str, apps: Apps = installed_apps, **_kwargs: Any) -> None:
    """After `migrate` and after a flush: by signal, since migrations alone would not survive a test's flush."""
    try:
        warehouses = apps.get_model("catalog", "Warehouse")
    except LookupError:  # migrated back to before there were any
        return
    warehouses.objects.using(using).get_or_create(
        is_default=True, defaults={"code": DEFAULT_WAREHOUSE, "name": _("Main warehouse")}
    )


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | str) else to_text(value)


def _fact(kind: EventType, product: Product, payload: dict[str, Any]) -> Fact:
    # The service has counted this event, under the row's lock.
    return Fact(
        kind, Aggregate.PRODUCT, product.pk, product.event_seq, {"sku": product.sku, **payload}
    )


@receiver(product_created, dispatch_uid="catalog.record_created")
def record_created(
    sender: type[Product], *, product: Product, on_hand: int, actor: Actor | None, **_kwargs: Any
) -> None:
    """product.created with what people need to know it by, and the opening stock."""
    payload = {
        "name": product.name,
        "price": to_text(product.price),
        "is_active": product.is_active,
        "on_hand": on_hand,
    }
    events.record([_fact(EventType.PRODUCT_CREATED, product, payload)], actor=actor)


@receiver(product_updated, dispatch_uid="catalog.record_updated")
def record_updated(
    sender: type[Product],
    *,
    product: Product,
    changed: dict[str, list[Any]],
    measured: Iterable["StockChange"],
    actor: Actor | None,
    **_kwargs: Any,
) -> None:
    """`fields` names all that changed, `changes` has [old, new]; a description is only named, it may be long.

    And stock.low for each level that the new threshold has made low, on that level's own sequence.
    """
    payload = {
        "version": product.version,
        "fields": sorted(changed),
        "changes": {
            name: [_plain(value) for value in values]
            for name, values in changed.items()
            if name != "description"
        },
    }
    updated = _fact(EventType.PRODUCT_UPDATED, product, payload)
    events.record([updated, *low_stock_facts(measured)], actor=actor)


@receiver(product_deleted, dispatch_uid="catalog.record_deleted")
def record_deleted(
    sender: type[Product], *, product: Product, actor: Actor | None, **_kwargs: Any
) -> None:
    events.record([_fact(EventType.PRODUCT_DELETED, product, {"name": product.name})], actor=actor)


def low_stock_facts(changes: Iterable["StockChange"], *, events_each: int = 0) -> list[Fact]:
    """stock.low for each level that has just become low, on that level's own sequence.

    `events_each` is how many events the caller records on it before, as it told `move_stock`.
    """
    return [
        Fact(
            EventType.STOCK_LOW,
            Aggregate.STOCK,
            change.line.level_id,
            change.event_seq + events_each + 1,
            {
                "product_id": change.line.product_id,
                "sku": change.line.sku,
                "available": available(change.on_hand_after, change.reserved_after),
                "threshold": change.threshold_after,
            },
        )
        for change in changes
        if change.became_low
    ]


@receiver(stock_adjusted, dispatch_uid="catalog.record_adjusted")
def record_adjusted(
    sender: type[StockMovement],
    *,
    change: "StockChange",
    reason: str,
    actor: Actor | None,
    **_kwargs: Any,
) -> None:
    """stock.adjusted, and stock.low if it came to that, on the level's own sequence."""
    adjusted = Fact(
        EventType.STOCK_ADJUSTED,
        Aggregate.STOCK,
        change.line.level_id,
        change.event_seq + 1,
        {
            "product_id": change.line.product_id,
            "sku": change.line.sku,
            "reason": reason,
            "delta": change.on_hand_after - change.on_hand_before,
            "on_hand": change.on_hand_after,
            "reserved": change.reserved_after,
            "available": available(change.on_hand_after, change.reserved_after),
        },
    )
    events.record([adjusted, *low_stock_facts([change], events_each=1)], actor=actor)


def _record_of_list(
    kind: EventType, price_list: PriceList, actor: Actor | None, payload: dict[str, Any]
) -> None:
    payload = {"name": price_list.name, **payload}
    fact = Fact(kind, Aggregate.PRICE_LIST, price_list.pk, price_list.event_seq, payload)
    events.record([fact], actor=actor)


@receiver(price_list_created, dispatch_uid="catalog.record_price_list_created")
def record_price_list_created(
    sender: type[PriceList], *, price_list: PriceList, actor: Actor | None, **_kwargs: Any
) -> None:
    discount = {"discount": to_text(price_list.discount)}
    _record_of_list(EventType.PRICE_LIST_CREATED, price_list, actor, discount)


@receiver(price_list_updated, dispatch_uid="catalog.record_price_list_updated")
def record_price_list_updated(
    sender: type[PriceList],
    *,
    price_list: PriceList,
    changed: dict[str, list[Any]],
    actor: Actor | None,
    **_kwargs: Any,
) -> None:
    """`fields` names all that changed, `changes` has [old, new]."""
    payload = {
        "version": price_list.version,
        "fields": sorted(changed),
        "changes": {name: [_plain(value) for value in values] for name, values in changed.items()},
    }
    _record_of_list(EventType.PRICE_LIST_UPDATED, price_list, actor, payload)


@receiver(prices_changed, dispatch_uid="catalog.record_prices_changed")
def record_prices_changed(
    sender: type[PriceList],
    *,
    price_list: PriceList,
    changes: Iterable["PriceChange"],
    percent: Decimal | None = None,
    actor: Actor | None,
    **_kwargs: Any,
) -> None:
    """Each price with what it was; null is no price of its own, then or now. And by how much, if by a percentage."""
    prices = [
        {
            "product_id": each.product_id,
            "sku": each.sku,
            "from": _plain(each.was),
            "to": _plain(each.now),
        }
        for each in changes
    ]
    payload: dict[str, Any] = {"prices": prices}
    if percent is not None:
        payload["percent"] = to_text(percent)
    _record_of_list(EventType.PRICE_LIST_PRICES_CHANGED, price_list, actor, payload)


@receiver(price_list_deleted, dispatch_uid="catalog.record_price_list_deleted")
def record_price_list_deleted(
    sender: type[PriceList], *, price_list: PriceList, actor: Actor | None, **_kwargs: Any
) -> None:
    _record_of_list(EventType.PRICE_LIST_DELETED, price_list, actor, {})
