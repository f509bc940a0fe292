"""The page on which an order is changed, without a browser."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils.formats import date_format
from django.utils.timezone import localtime

from accounts.models import User
from catalog.models import Product
from catalog.services import update_product
from erp_site.testing import level_of, record_counts, text_of
from orders.models import Order
from orders.queries import get_order
from orders.services import NewItem, amend_order, change_status
from orders.states import OrderStatus

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def desk(desk_of: Callable[[User], Client], operator: User) -> Client:
    return desk_of(operator)


def form_of(desk: Client, order: Order) -> dict[str, Any]:
    """What the browser would send if nothing were touched."""
    context = desk.get(f"/orders/{order.pk}/amend").context
    lines = list(context["lines"])
    return {
        "action": "place",
        "product": [line.product_id for line in lines],
        "quantity": [line.quantity for line in lines],
        "seen": [line.cents for line in lines],
        **{f"agreed-{line.product_id}": line.agreed for line in lines},
        "opened": context["opened"],
        "opened_lines": context["opened_lines"],
        "reason": "",
        **{bound.name: bound.value() or "" for bound in context["form"] if bound.name != "reason"},
    }


def quantities(order: Order) -> dict[str, int]:
    return dict(order.items.order_by("pk").values_list("sku", "quantity"))


def test_the_form_shows_the_order_with_its_prices_and_with_what_it_holds(
    desk: Client, product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 4), delivery_address="Rua A, 1", customer_reference="PO 1")
    update_product(actor=manager, product_id=product.pk, price=Decimal(12), is_active=False)
    context = desk.get(f"/orders/{order.pk}/amend").context
    [line] = context["lines"]
    assert (line.quantity, line.price, line.available, line.error) == ("4", 10, 10, "")
    assert context["form"]["delivery_address"].value() == "Rua A, 1"
    assert context["customer"] == order.customer


def test_saving_changes_the_order_and_leads_back_to_it(
    desk: Client, make_product: Callable[..., Product], place: Callable[..., Order]
) -> None:
    old, new = make_product("OLD"), make_product("NEW")
    order = place((old, 4))
    form = form_of(desk, order) | {
        "product": [old.pk, new.pk],
        "quantity": ["1", "2"],
        "seen": ["1000", "1000"],
        "notes": "Ring",
        "reason": "By phone",
    }
    response = desk.post(f"/orders/{order.pk}/amend", form, headers=HTMX)
    assert response["HX-Redirect"] == f"/orders/{order.pk}"
    assert (quantities(order), get_order(order.pk).notes) == ({"OLD": 1, "NEW": 2}, "Ring")
    page = text_of(desk.get(f"/orders/{order.pk}"))
    assert (
        f"changed the order Product 1 (OLD): 4 → 1 {new.name} (NEW): — → 2 Notes: — → Ring" in page
    )
    assert "By phone" in page


def test_a_shortage_is_told_and_all_that_was_typed_stays(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 4))
    before = record_counts()
    form = form_of(desk, order) | {"quantity": ["11"], "notes": "Ring", "reason": "By phone"}
    response = desk.post(f"/orders/{order.pk}/amend", form)
    [line] = response.context["lines"]
    assert (response.status_code, line.quantity, line.available) == (422, "11", 10)
    assert f"{product.sku}: 11 requested, 10 available" in text_of(response)
    assert [response.context["form"][it].value() for it in ("notes", "reason")] == [
        "Ring",
        "By phone",
    ]
    assert record_counts() == before


def test_an_order_without_lines_is_no_order_and_its_end_is_another_button(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 4))
    form = form_of(desk, order) | {"product": [], "quantity": [], "seen": []}
    response = desk.post(f"/orders/{order.pk}/amend", form)
    assert response.status_code == 422
    assert "To give it up, cancel it." in text_of(response)


def test_without_an_address_it_goes_to_the_customers_own(
    desk: Client, product: Product, place: Callable[..., Order], make_customer: Any
) -> None:
    customer = make_customer(address="Rua Própria, 1")
    order = place((product, 4), customer_id=customer.pk, delivery_address="Rua A, 1")
    desk.post(f"/orders/{order.pk}/amend", form_of(desk, order) | {"delivery_address": ""})
    assert get_order(order.pk).delivery_address == "Rua Própria, 1"


def test_texts_of_several_lines_that_were_not_touched_stay_as_they_are(
    desk: Client, product: Product, place: Callable[..., Order], make_customer: Any
) -> None:
    customer = make_customer(address="Rua Própria, 1")
    texts = {"delivery_address": "Rua A, 1\r\nCentro", "notes": "Ring\ntwice"}
    for given in (texts, texts | {"delivery_address": ""}):
        order = place((product, 1), customer_id=customer.pk, **given)
        response = desk.get(f"/orders/{order.pk}/amend")
        assert '<textarea name="delivery_address"' in response.content.decode()
        form = form_of(desk, order)
        typed = {name: form[name].replace("\r\n", "\n").replace("\n", "\r\n") for name in texts}
        desk.post(f"/orders/{order.pk}/amend", form | typed)
        saved = get_order(order.pk)
        assert {name: getattr(saved, name) for name in texts} == given
        assert saved.version == 1, "nothing was changed"


@pytest.mark.parametrize(
    ("action", "sent", "left"),
    [
        ("add", {"code": "NEW"}, {"OLD": "4", "NEW": "1"}),
        ("paste", {"pasted": "NEW;3\nOLD;1"}, {"OLD": "5", "NEW": "3"}),
        ("remove:{old}", {}, {}),
        ("take", {"quantity": ["99"]}, {"OLD": "10"}),
    ],
)
def test_the_buttons_of_order_entry_work_on_it(
    desk: Client,
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    action: str,
    sent: dict[str, Any],
    left: dict[str, str],
) -> None:
    old = make_product("OLD")
    make_product("NEW")
    order = place((old, 4))
    form = form_of(desk, order) | sent | {"action": action.format(old=old.pk)}
    response = desk.post(f"/orders/{order.pk}/amend", form)
    assert {line.sku: line.quantity for line in response.context["lines"]} == left
    assert quantities(order) == {"OLD": 4}, "only the last button saves"


def test_a_line_that_was_taken_away_and_is_scanned_again_has_its_old_price(
    desk: Client, product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 4))
    update_product(actor=manager, product_id=product.pk, price=Decimal(12))
    form = {"action": "add", "code": product.sku}
    line = desk.post(f"/orders/{order.pk}/amend", form, headers=HTMX).context["line"]
    assert (line.price, line.available) == (10, 10)


def test_of_two_who_change_an_order_the_second_keeps_both_changes(
    desk: Client, make_product: Callable[..., Product], place: Callable[..., Order], manager: User
) -> None:
    first, second, third, fourth = (make_product(sku) for sku in ("ONE", "TWO", "THREE", "FOUR"))
    order = place((first, 1), (second, 1), (third, 1), notes="Ring")
    mine = form_of(desk, order)
    theirs = [NewItem(first.pk, 5), NewItem(second.pk, 1), NewItem(fourth.pk, 1)]
    amend_order(actor=manager, order_id=order.pk, items=theirs, customer_reference="PO 1")
    mine |= {"quantity": ["1", "7", "1"], "notes": "Ring twice"}
    response = desk.post(f"/orders/{order.pk}/amend", mine)
    told = response.context["overtaken"]
    assert (response.status_code, told.who, told.differences) == (409, manager, [])
    assert list(map(str, told.taken)) == ["Customer reference", "ONE", "THREE", "FOUR"]
    typed = {line.sku: line.quantity for line in response.context["lines"]}
    assert typed == {"ONE": "5", "TWO": "7", "FOUR": "1"}
    assert quantities(order) == {"ONE": 5, "TWO": 1, "FOUR": 1}, "nothing is saved yet"

    again = mine | {
        "product": [line.product_id for line in response.context["lines"]],
        "quantity": list(typed.values()),
        "seen": ["1000"] * 3,
        "customer_reference": response.context["form"]["customer_reference"].value(),
        "version": response.context["form"]["version"].value(),
        "opened": response.context["opened"],
        "opened_lines": response.context["opened_lines"],
    }
    assert desk.post(f"/orders/{order.pk}/amend", again).status_code == 302
    assert quantities(order) == {"ONE": 5, "TWO": 7, "FOUR": 1}
    assert (get_order(order.pk).notes, get_order(order.pk).customer_reference) == (
        "Ring twice",
        "PO 1",
    )


def test_a_line_that_both_have_changed_is_asked_about(
    desk: Client, product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 1))
    mine = form_of(desk, order) | {"quantity": ["7"]}
    amend_order(actor=manager, order_id=order.pk, items=[NewItem(product.pk, 5)])
    response = desk.post(f"/orders/{order.pk}/amend", mine, headers=HTMX)
    assert response.status_code == 422, "htmx shows it"
    assert f"{product.sku}: now “5”, yours “7”" in text_of(response)
    assert [line.quantity for line in response.context["lines"]] == ["7"]


def test_a_form_that_does_not_tell_its_lines_has_typed_all_that_differs(
    desk: Client, make_product: Callable[..., Product], place: Callable[..., Order], manager: User
) -> None:
    same, gone, new = (make_product(sku) for sku in ("SAME", "GONE", "NEW"))
    order = place((same, 1), (gone, 3))
    mine = form_of(desk, order) | {"opened_lines": "not in our hand"}
    theirs = [NewItem(same.pk, 1), NewItem(new.pk, 2)]
    amend_order(actor=manager, order_id=order.pk, items=theirs)
    response = desk.post(f"/orders/{order.pk}/amend", mine)
    told = [(it.label, it.now, it.typed) for it in response.context["overtaken"].differences]
    assert told == [("GONE", "0", "3"), ("NEW", "2", "0")]
    typed = {line.sku: line.quantity for line in response.context["lines"]}
    assert typed == {"SAME": "1", "GONE": "3"}


def test_what_can_no_longer_be_changed_is_said_and_the_button_is_not_there(
    desk: Client, product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 4))
    form = form_of(desk, order) | {"quantity": ["1"]}
    address = f'href="/orders/{order.pk}/amend"'
    assert address in desk.get(f"/orders/{order.pk}").content.decode()
    change_status(actor=manager, order_id=order.pk, to=OrderStatus.CONFIRMED)
    assert address not in desk.get(f"/orders/{order.pk}").content.decode()
    refused = desk.post(f"/orders/{order.pk}/amend", form)
    assert refused.status_code == 422
    assert "your role may no longer change it" in text_of(refused)
    response = desk.get(f"/orders/{order.pk}/amend", follow=True)
    assert response.redirect_chain == [(f"/orders/{order.pk}", 302)]
    assert "your role may no longer change it" in text_of(response)
    assert level_of(product).reserved == 4


def test_who_moves_an_order_on_is_told_that_it_was_edited(
    desk: Client, product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 4))
    change_status(actor=manager, order_id=order.pk, to=OrderStatus.CONFIRMED)
    amend_order(actor=manager, order_id=order.pk, items=[NewItem(product.pk, 1)])
    response = desk.post(f"/orders/{order.pk}/status", {"status": "picked", "version": 2})
    assert response.status_code == 409
    assert f"{manager} has meanwhile edited this order" in text_of(response)
    assert get_order(order.pk).status == OrderStatus.CONFIRMED


def test_the_timeline_writes_days_and_amounts_as_people_do(
    desk: Client, product: Product, place: Callable[..., Order], operator: User
) -> None:
    day = date(2026, 12, 1)
    order = place((product, 2), due_date=day)
    amend_order(actor=operator, order_id=order.pk, items=[NewItem(product.pk, 3)], due_date=None)
    page = text_of(desk.get(f"/orders/{order.pk}"))
    assert f"Due date: {date_format(day, 'SHORT_DATE_FORMAT')} → —" in page
    assert "Total: R$ 20.00 → R$ 30.00" in page


def test_of_many_changed_lines_the_timeline_folds_all_but_the_first_ten(
    desk: Client, make_product: Callable[..., Product], place: Callable[..., Order], operator: User
) -> None:
    products = [make_product() for _ in range(12)]
    order = place(*((product, 1) for product in products))
    items = [NewItem(product.pk, 2) for product in products]
    amend_order(actor=operator, order_id=order.pk, items=items, notes="Ring")
    page = desk.get(f"/orders/{order.pk}").content.decode()
    shown, folded = page.split('<details class="changes">')
    folded, _rest = folded.split("</details>")
    assert [text.count(": 1 → <strong>2") for text in (shown, folded)] == [10, 2]
    assert "2 more lines" in folded
    assert ("Notes: — →" in shown, "Total: R$" in shown) == (True, True)


def test_whoever_picks_is_told_of_a_change_since_it_was_confirmed_on_the_page_and_on_paper(
    desk: Client, product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 4))
    told = f"{manager} changed this order after it was confirmed"

    def says() -> list[bool]:
        paths = (f"/orders/{order.pk}", f"/orders/{order.pk}/print/pick")
        page, paper = (text_of(desk.get(path)) for path in paths)
        return [told in page, "Changed on" in paper]

    amend_order(actor=manager, order_id=order.pk, items=[NewItem(product.pk, 3)])
    change_status(actor=manager, order_id=order.pk, to=OrderStatus.CONFIRMED)
    assert says() == [False, True]
    amend_order(actor=manager, order_id=order.pk, items=[NewItem(product.pk, 1)])
    assert says() == [True, True]
    change_status(actor=manager, order_id=order.pk, to=OrderStatus.PICKED)
    assert says() == [False, True]


def test_among_many_what_was_changed_since_it_was_confirmed_is_not_picked(
    desk: Client, product: Product, place: Callable[..., Order], manager: User
) -> None:
    amended, other, early = (place((product, 2)) for _ in range(3))
    amend_order(actor=manager, order_id=early.pk, items=[NewItem(product.pk, 1)])
    orders = (amended, other, early)
    for order in orders:
        change_status(actor=manager, order_id=order.pk, to=OrderStatus.CONFIRMED)
    amend_order(actor=manager, order_id=amended.pk, items=[NewItem(product.pk, 1)])
    ids = [order.pk for order in orders]
    response = desk.post("/orders/bulk", {"ids": ids, "action": "picked"})
    assert text_of(response).count("Changed after it was confirmed") == 1
    assert [get_order(pk).status for pk in ids] == ["confirmed", "picked", "picked"]
    by_itself = {"status": "picked", "version": get_order(amended.pk).version}
    assert desk.post(f"/orders/{amended.pk}/status", by_itself).status_code == 302
    assert get_order(amended.pk).status == OrderStatus.PICKED


def test_who_saves_without_a_change_is_told_so_and_who_sends_a_change_again_is_not(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 4))
    untouched = form_of(desk, order)
    changed = untouched | {"quantity": ["1"]}
    url = f"/orders/{order.pk}/amend"
    said = [text_of(desk.post(url, form, follow=True)) for form in (untouched, changed, changed)]
    assert ["nothing was changed" in page for page in said] == [True, False, False]
    assert [f"{order.number} is changed." in page for page in said] == [False, True, True]


def test_what_is_changed_at_that_moment_is_not_picked_among_many(
    desk: Client,
    product: Product,
    place: Callable[..., Order],
    manager: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = place((product, 2))
    change_status(actor=manager, order_id=order.pk, to=OrderStatus.CONFIRMED)

    def looked_too_early(*_: Any) -> None:
        amend_order(actor=manager, order_id=order.pk, items=[NewItem(product.pk, 1)])

    monkeypatch.setattr("orders.queries.amended_since", looked_too_early)
    response = desk.post("/orders/bulk", {"ids": [order.pk], "action": "picked"})
    assert "The order was changed meanwhile." in text_of(response)
    assert get_order(order.pk).status == OrderStatus.CONFIRMED


def test_of_two_papers_the_newer_says_when_the_order_was_changed(
    desk: Client, product: Product, place: Callable[..., Order], operator: User
) -> None:
    order, untouched = place((product, 4)), place((product, 1))
    paper = f"/orders/{order.pk}/print/pick"
    assert "Changed on" not in text_of(desk.get(paper))
    amend_order(actor=operator, order_id=order.pk, notes="Ring")
    amended = amend_order(actor=operator, order_id=order.pk, notes="Ring twice")
    at = date_format(localtime(amended.updated_at), "SHORT_DATETIME_FORMAT")
    assert f"Changed on {at}" in text_of(desk.get(paper))
    both = text_of(desk.get(f"/orders/print/slip?ids={order.pk}&ids={untouched.pk}"))
    assert both.count("Changed on") == 1


def test_who_may_no_longer_change_an_order_is_told_who_may(
    desk_of: Callable[[User], Client], product: Product, place: Callable[..., Order],
    operator: User, manager: User, viewer: User,
) -> None:  # fmt: skip
    order = place((product, 4))
    hint = "only managers can still change it"

    def told(user: User) -> bool:
        return hint in text_of(desk_of(user).get(f"/orders/{order.pk}"))

    assert not told(operator)
    change_status(actor=operator, order_id=order.pk, to=OrderStatus.CONFIRMED)
    assert (told(operator), told(manager), told(viewer)) == (True, False, False)
    change_status(actor=operator, order_id=order.pk, to=OrderStatus.PICKED)
    assert not told(operator)


def test_what_somebody_did_once_is_one_row_of_the_first_page(
    desk_of: Callable[[User], Client], product: Product, place: Callable[..., Order],
    operator: User, manager: User,
) -> None:  # fmt: skip
    order = place((product, 4))
    amend_order(actor=operator, order_id=order.pk, items=[NewItem(product.pk, 5)])
    change_status(actor=manager, order_id=order.pk, to=OrderStatus.CANCELLED)
    told = desk_of(manager).get("/").context["entries"]
    assert [entry.event.type for entry in told if entry.event.aggregate == "order"] == [
        "order.status_changed",
        "order.amended",
        "order.placed",
    ]
    page = text_of(desk_of(operator).get("/"))
    latest = page[page.index("Latest activity") :]
    said = [latest.index(f"{order.number} {word}") for word in ("Cancelled", "Edited", "Pending")]
    assert said == sorted(said)
