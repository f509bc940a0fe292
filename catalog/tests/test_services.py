"""What the services do with products, and what they refuse."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal

from accounts.models import User
from catalog.models import Product, ProductWord, StockLevel, StockMovement, Warehouse
from catalog.receivers import make_default_warehouse
from catalog.services import (
    ProductInUse,
    adjust_stock,
    create_product,
    delete_product,
    update_product,
)
from erp_site.core import clock
from erp_site.core.errors import Denied, Duplicate, Invalid, NotFound, StaleVersion
from erp_site.core.models import Event
from erp_site.testing import level_of
from orders.models import Order
from orders.services import change_status
from orders.states import OrderStatus

pytestmark = pytest.mark.django_db


def new(actor: User, **fields: Any) -> Product:
    wanted = {"sku": "PAR-M8", "name": "Parafuso M8", "price": Decimal("10.50"), **fields}
    return create_product(actor=actor, **wanted)


def events(aggregate: str, pk: int) -> list[tuple[str, int, dict[str, Any], int | None]]:
    found = Event.objects.filter(aggregate=aggregate, aggregate_id=pk).order_by("sequence")
    return [(event.type, event.sequence, event.payload, event.actor_id) for event in found]


def test_a_product_is_stored_in_one_spelling_with_its_level(manager: User) -> None:
    product = new(
        manager, sku=" par-m8-100 ", name=" Parafuso Aço ", gtin="4006381 333931", description=" x "
    )
    product.refresh_from_db()
    assert (product.sku, product.name, product.gtin, product.description) == (
        "PAR-M8-100", "Parafuso Aço", "4006381333931", "x",
    )  # fmt: skip
    assert (product.price, product.version, product.low_stock_threshold) == (
        Decimal("10.50"),
        1,
        None,
    )
    level = level_of(product)
    assert (level.on_hand, level.reserved, level.warehouse.is_default) == (0, 0, True)
    assert set(ProductWord.objects.values_list("word", flat=True)) == {
        "parafuso", "aco", ".par", ".m8", ".100", ".4006381333931",
    }  # fmt: skip
    assert StockMovement.objects.count() == 0


def test_opening_stock_is_the_first_movement(manager: User) -> None:
    product = new(manager, on_hand=7, low_stock_threshold=9)
    level = level_of(product)
    assert (level.on_hand, level.reserved) == (7, 0)
    movement = StockMovement.objects.get()
    assert (movement.level_id, movement.kind, movement.actor_id) == (
        level.pk,
        "opening",
        manager.pk,
    )
    assert (movement.delta_on_hand, movement.on_hand_after, movement.reserved_after) == (7, 7, 0)
    # Low from the start is a purchase to plan, not an alarm.
    assert events("stock", level.pk) == []


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"sku": " "}, [("/sku", "blank")]),
        ({"sku": "x" * 65}, [("/sku", "max_length")]),
        ({"sku": "PARÇA"}, [("/sku", "not_ascii")]),
        ({"sku": "A\tB"}, [("/sku", "control_character")]),
        ({"name": ""}, [("/name", "blank")]),
        ({"name": "x" * 256}, [("/name", "max_length")]),
        ({"description": "x" * 5001}, [("/description", "max_length")]),
        ({"price": Decimal("0.00")}, [("/price", "money_too_small")]),
        ({"price": Decimal(-1)}, [("/price", "money_too_small")]),
        ({"price": Decimal("1.001")}, [("/price", "max_decimal_places")]),
        ({"price": Decimal("100000000.00")}, [("/price", "max_digits")]),
        ({"gtin": "4006381333932"}, [("/gtin", "invalid_gtin")]),
        ({"low_stock_threshold": -1}, [("/low_stock_threshold", "min_value")]),
        ({"low_stock_threshold": 2**31}, [("/low_stock_threshold", "out_of_range")]),
        ({"on_hand": -1}, [("/on_hand", "out_of_range")]),
        ({"on_hand": 10**12 + 1}, [("/on_hand", "out_of_range")]),
        ({"name": "", "gtin": "1"}, [("/name", "blank"), ("/gtin", "invalid_gtin")]),
    ],
)
def test_every_wrong_field_is_named_and_nothing_is_written(
    manager: User, fields: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    with pytest.raises(Invalid) as refused:
        new(manager, **fields)
    assert [(e["pointer"], e["code"]) for e in refused.value.facts["errors"]] == wrong
    counts = [m.objects.count() for m in (ProductWord, StockLevel, StockMovement, Event)]
    assert [Product.all_objects.count(), *counts] == [0, 0, 0, 0, 0]


def test_a_sku_belongs_to_one_living_product_whatever_its_case(manager: User) -> None:
    first = new(manager)
    for same in ("PAR-M8", "par-m8", " Par-M8 "):
        with pytest.raises(Duplicate) as refused:
            new(manager, sku=same)
        assert refused.value.facts == {"field": "sku"}
    second = new(manager, sku="PAR M8")
    with pytest.raises(Duplicate):
        update_product(actor=manager, product_id=second.pk, sku="par-m8")
    second.refresh_from_db()
    assert (second.sku, second.version) == ("PAR M8", 1)
    delete_product(actor=manager, product_id=first.pk)
    again = new(manager)
    assert (again.sku, again.pk == first.pk) == ("PAR-M8", False)


def test_an_edit_changes_the_given_fields_and_counts(manager: User) -> None:
    product = new(manager, low_stock_threshold=5)
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    with clock.moved_to(moment):
        update_product(
            actor=manager,
            product_id=product.pk,
            price=Decimal(11),
            low_stock_threshold=None,
            version=1,
        )
    product.refresh_from_db()
    assert (product.price, product.low_stock_threshold, product.name) == (
        Decimal("11.00"), None, "Parafuso M8",
    )  # fmt: skip
    assert (product.version, product.updated_at) == (2, moment)


def test_an_edit_that_changes_nothing_is_no_edit(manager: User) -> None:
    product = new(manager)
    before = Product.objects.filter(pk=product.pk).values().get()
    update_product(actor=manager, product_id=product.pk, sku="par-m8", price=Decimal("10.5"))
    assert Product.objects.filter(pk=product.pk).values().get() == before
    assert len(events("product", product.pk)) == 1


def test_stock_is_no_edit_of_the_product(manager: User) -> None:
    product = new(manager)
    adjust_stock(actor=manager, product_id=product.pk, delta=3, reason="received")
    update_product(actor=manager, product_id=product.pk, name="Other", version=1)
    product.refresh_from_db()
    assert product.version == 2


def test_a_stale_edit_is_refused_with_the_present_record(manager: User) -> None:
    product = new(manager, on_hand=4)
    update_product(actor=manager, product_id=product.pk, name="Porca")
    with pytest.raises(StaleVersion) as refused:
        update_product(actor=manager, product_id=product.pk, name="Arruela", version=1)
    current = refused.value.facts["current"]
    assert (current["name"], current["version"], current["available"]) == ("Porca", 2, 4)


def test_events_tell_what_changed(manager: User) -> None:
    product = new(manager, on_hand=2)
    update_product(
        actor=manager,
        product_id=product.pk,
        price=Decimal(12),
        description="long",
        is_active=False,
    )
    adjust_stock(actor=manager, product_id=product.pk, delta=-2, reason="lost")
    delete_product(actor=manager, product_id=product.pk)
    assert events("product", product.pk) == [
        (
            "product.created",
            1,
            {
                "sku": "PAR-M8", "name": "Parafuso M8", "price": "10.50", "is_active": True,
                "on_hand": 2,
            },
            manager.pk,
        ),
        (
            "product.updated",
            2,
            {
                "sku": "PAR-M8",
                "version": 2,
                "fields": ["description", "is_active", "price"],
                "changes": {"price": ["10.50", "12.00"], "is_active": [True, False]},
            },
            manager.pk,
        ),
        ("product.deleted", 3, {"sku": "PAR-M8", "name": "Parafuso M8"}, manager.pk),
    ]  # fmt: skip


def test_running_low_is_told_once_on_the_way_down(manager: User) -> None:
    product = new(manager, on_hand=10, low_stock_threshold=5)
    level = level_of(product)
    for delta in (-4, -1, -1, 5, -4):
        adjust_stock(actor=manager, product_id=product.pk, delta=delta, reason="counted")
    found = events("stock", level.pk)
    assert [(kind, sequence) for kind, sequence, _, _ in found] == [
        ("stock.adjusted", 1),
        ("stock.adjusted", 2),
        ("stock.low", 3),
        ("stock.adjusted", 4),
        ("stock.adjusted", 5),
        ("stock.adjusted", 6),
        ("stock.low", 7),
    ]
    assert found[2][2] == {
        "product_id": product.pk, "sku": "PAR-M8", "available": 5, "threshold": 5,
    }  # fmt: skip
    assert found[0][2] == {
        "product_id": product.pk, "sku": "PAR-M8", "reason": "counted", "delta": -4,
        "on_hand": 6, "reserved": 0, "available": 6,
    }  # fmt: skip
    level.refresh_from_db()
    assert level.event_seq == 7


def test_running_low_is_told_when_the_threshold_comes_up_to_what_there_is(manager: User) -> None:
    product = new(manager, on_hand=10)
    level = level_of(product)

    def measure(threshold: int | None) -> None:
        update_product(actor=manager, product_id=product.pk, low_stock_threshold=threshold)

    measure(9)
    assert events("stock", level.pk) == []
    measure(10)
    crossed = (
        "stock.low", 1,
        {"product_id": product.pk, "sku": "PAR-M8", "available": 10, "threshold": 10}, manager.pk,
    )  # fmt: skip
    assert events("stock", level.pk) == [crossed]
    measure(10)
    measure(12)  # it was low already
    update_product(actor=manager, product_id=product.pk, name="Other", low_stock_threshold=12)
    adjust_stock(actor=manager, product_id=product.pk, delta=-1, reason="lost")
    assert [kind for kind, _, _, _ in events("stock", level.pk)] == ["stock.low", "stock.adjusted"]
    measure(None)
    measure(9)
    last = events("stock", level.pk)[-1]
    assert (last[:2], last[2]["available"], last[2]["threshold"]) == (("stock.low", 3), 9, 9)
    level.refresh_from_db()
    assert level.event_seq == 3


def test_what_orders_hold_is_not_available_to_a_new_threshold(
    manager: User, make_product: Callable[..., Product], place: Callable[..., Order]
) -> None:
    product = make_product(on_hand=10)
    place((product, 4))
    update_product(actor=manager, product_id=product.pk, low_stock_threshold=6)
    low = Event.objects.get(type="stock.low")
    assert (low.aggregate_id, low.payload["available"]) == (level_of(product).pk, 6)


def test_a_refused_edit_tells_nothing_of_its_threshold(manager: User) -> None:
    product = new(manager, on_hand=1)
    with pytest.raises(StaleVersion):
        update_product(actor=manager, product_id=product.pk, version=7, low_stock_threshold=5)
    with pytest.raises(Invalid):
        update_product(actor=manager, product_id=product.pk, name="", low_stock_threshold=5)
    assert (events("stock", level_of(product).pk), level_of(product).event_seq) == ([], 0)


def test_a_product_with_stock_or_reservations_stays(
    manager: User, make_product: Callable[..., Product], place: Callable[..., Order]
) -> None:
    product = make_product(on_hand=3)
    order = place((product, 2))
    with pytest.raises(ProductInUse) as refused:
        delete_product(actor=manager, product_id=product.pk)
    assert (refused.value.code, refused.value.facts) == (
        "product_in_use", {"on_hand": 3, "reserved": 2},
    )  # fmt: skip
    change_status(actor=manager, order_id=order.pk, to=OrderStatus.CANCELLED)
    with pytest.raises(ProductInUse):
        delete_product(actor=manager, product_id=product.pk)
    adjust_stock(actor=manager, product_id=product.pk, delta=-3, reason="lost")
    delete_product(actor=manager, product_id=product.pk)
    assert not Product.objects.filter(pk=product.pk).exists()


def test_a_deleted_product_is_gone_but_kept(manager: User) -> None:
    product = new(manager)
    delete_product(actor=manager, product_id=product.pk)
    kept = Product.all_objects.get(pk=product.pk)
    assert (kept.live, kept.deleted_at is None) == (None, False)
    for attempt in (
        lambda: delete_product(actor=manager, product_id=product.pk),
        lambda: update_product(actor=manager, product_id=product.pk, name="Other"),
        lambda: adjust_stock(actor=manager, product_id=product.pk, delta=1, reason="found"),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert (level_of(product).on_hand, StockMovement.objects.count()) == (0, 0)


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_managers_write_products(
    make_user: Callable[..., User], product: Product, role: str
) -> None:
    actor = make_user(role)
    before = [Product.all_objects.values().get(), StockLevel.objects.values().get()]
    for attempt in (
        lambda: new(actor),
        lambda: update_product(actor=actor, product_id=product.pk, name="Other"),
        lambda: delete_product(actor=actor, product_id=product.pk),
        lambda: adjust_stock(actor=actor, product_id=product.pk, delta=1, reason="found"),
    ):
        with pytest.raises(Denied):
            attempt()
    assert [Product.all_objects.values().get(), StockLevel.objects.values().get()] == before


def test_there_is_one_default_warehouse_however_often_migrate_runs(db: None) -> None:
    before = Warehouse.objects.values().get()
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")
    assert Warehouse.objects.values().get() == before
    assert (before["is_default"], before["code"]) == (True, "MAIN")


def test_migrating_back_before_warehouses_asks_for_none() -> None:
    class NoModels:
        def get_model(self, app: str, name: str) -> None:
            raise LookupError

    make_default_warehouse(using="default", apps=NoModels())  # type: ignore[arg-type]
    assert Warehouse.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_default_warehouse_is_there_after_a_flush(manager: User) -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert Warehouse.objects.get().is_default is True
