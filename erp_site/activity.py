"""The event log for people: what happened, who did it, to which record; and the notices of products that run low."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import django_filters
from django.db import models
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from accounts.auth import SignedIn, require
from accounts.models import User
from accounts.roles import Permission, Role
from catalog.models import LowStockNotice, PriceList, Product, StockMovement, available, is_low
from catalog.queries import balances
from customers.models import Customer
from erp_site.core.events import Aggregate, EventType, types_of
from erp_site.core.filtering import FromFilter, IdFilter, ListFilter, ToFilter
from erp_site.core.htmx import is_partial
from erp_site.core.listing import listing
from erp_site.core.models import Event, Webhook
from erp_site.core.pagination import Split
from erp_site.templatetags.formats import money, percent, signed, signed_percent, whole
from orders.models import Order, order_number, taken_off
from orders.states import OrderStatus

#: How many open notices the bell shows, and how many of the latest are looked at.
BELL: Final = 8
NOTICES: Final = 100
#: The bell may be this old: it is on every page, and is asked for once in this time.
BELL_AGE: Final = 60  # seconds
#: The people a filter offers.
MOST_PEOPLE: Final = 500


@dataclass(frozen=True)
class Kind:
    """How people read one type of event."""

    label: str | Promise
    icon: str
    detail: Callable[[dict[str, Any]], str] = lambda _payload: ""


def _choice(choices: type[models.TextChoices], value: Any) -> str:
    return str(choices(value).label) if value in choices.values else str(value or "")


def _step(payload: dict[str, Any]) -> str:
    return f"{_choice(OrderStatus, payload['from'])} → {_choice(OrderStatus, payload['to'])}"


def _placed(payload: dict[str, Any]) -> str:
    count = len(payload["items"])
    lines = ngettext("%(count)s item", "%(count)s items", count) % {"count": whole(count)}
    discount = taken_off(
        (Decimal(it["list_price"]), Decimal(it["unit_price"]), it["quantity"])
        for it in payload["items"]
        if "list_price" in it
    )
    agreed = _("discount %(amount)s") % {"amount": money(discount)} if discount else ""
    return " · ".join(filter(None, [lines, money(Decimal(payload["total"])), agreed]))


def _first_of(lines: Sequence[dict[str, Any]], told: Callable[[dict[str, Any]], str]) -> str:
    """The first three in words, and how many more there are."""
    rest = len(lines[3:])
    return ", ".join(map(told, lines[:3])) + (f" +{whole(rest)}" if rest else "")


def _pieces(quantity: int) -> str:
    return whole(quantity) if quantity else "—"


def _amended_line(line: dict[str, Any]) -> str:
    changes = []
    if line["from"] != line["to"]:
        changes.append(f"{_pieces(line['from'])} → {_pieces(line['to'])}")
    if prices := line.get("unit_price"):
        changes.append(" → ".join(money(Decimal(price)) for price in prices))
    return f"{line['sku']} {', '.join(changes)}"


def _amended(payload: dict[str, Any]) -> str:
    named = _first_of(payload["item_changes"], _amended_line)
    others = {"fields": [name for name in payload["fields"] if name not in {"items", "total"}]}
    return " · ".join(filter(None, [named, _fields_of(Order)(others), payload["reason"]]))


def _lines(payload: dict[str, Any]) -> str:
    return _first_of(payload["items"], lambda line: f"{whole(line['quantity'])} x {line['sku']}")


def _adjusted(payload: dict[str, Any]) -> str:
    on_hand = _("%(count)s on hand") % {"count": whole(payload["on_hand"])}
    reason = _choice(StockMovement.Reason, payload["reason"])
    return f"{signed(payload['delta'])} → {on_hand} · {reason}"


def _low(payload: dict[str, Any]) -> str:
    return _("%(available)s available, buy at %(threshold)s") % {
        "available": whole(payload["available"]),
        "threshold": whole(payload["threshold"]),
    }


def _fields_of(
    model: type[models.Model], **told: Callable[[Any], str]
) -> Callable[[dict[str, Any]], str]:
    """The names of what changed; of the fields that are `told`, also from what to what."""
    fields = {getattr(field, "attname", field.name): field for field in model._meta.get_fields()}

    def change(name: str, changes: Mapping[str, Any]) -> str:
        label = str(getattr(fields.get(name), "verbose_name", name))
        if name not in told or name not in changes:
            return label
        was, now = map(told[name], changes[name])
        return f"{label} {was} → {now}"

    def detail(payload: dict[str, Any]) -> str:
        changes = payload.get("changes") or payload.get("changed", {})
        return ", ".join(change(name, changes) for name in payload.get("fields") or changes)

    return detail


def _or_none(name: str | None) -> str:
    return name or "—"


def _discount(payload: dict[str, Any]) -> str:
    discount = Decimal(payload["discount"])
    return f"\N{MINUS SIGN}{percent(discount)}" if discount else ""


def _user_created(payload: dict[str, Any]) -> str:
    named = [_choice(Role, payload.get("role"))]
    if limit := Decimal(payload.get("discount_limit", 0)):
        named.append(f"{User._meta.get_field('discount_limit').verbose_name} {percent(limit)}")
    return ", ".join(filter(None, named))


def _price(price: str | None) -> str:
    return "—" if price is None else money(Decimal(price))


def _priced(payload: dict[str, Any]) -> str:
    by = signed_percent(Decimal(payload["percent"])) if "percent" in payload else ""
    named = _first_of(
        payload["prices"],
        lambda each: f"{each['sku']} {_price(each['from'])} → {_price(each['to'])}",
    )
    return " · ".join(filter(None, [by, named]))


def _role(payload: dict[str, Any]) -> str:
    return f"{_choice(Role, payload['from'])} → {_choice(Role, payload['to'])}"


#: Every type of event; a test fails on one that is missing here.
KINDS: Final[Mapping[EventType, Kind]] = {
    EventType.ORDER_PLACED: Kind(gettext_lazy("Order placed"), icon="plus", detail=_placed),
    EventType.ORDER_AMENDED: Kind(
        gettext_lazy("Order changed"), icon="adjustments", detail=_amended
    ),
    EventType.ORDER_STATUS_CHANGED: Kind(
        gettext_lazy("Status changed"), icon="check", detail=_step
    ),
    EventType.ORDER_CANCELLED: Kind(
        gettext_lazy("Order cancelled"), icon="x", detail=lambda payload: payload.get("note", "")
    ),
    EventType.ORDER_DELETED: Kind(gettext_lazy("Order deleted"), icon="trash"),
    EventType.STOCK_RESERVED: Kind(gettext_lazy("Stock reserved"), icon="lock", detail=_lines),
    EventType.STOCK_RELEASED: Kind(gettext_lazy("Stock released"), icon="repeat", detail=_lines),
    EventType.STOCK_ADJUSTED: Kind(
        gettext_lazy("Stock adjusted"), icon="adjustments", detail=_adjusted
    ),
    EventType.STOCK_LOW: Kind(gettext_lazy("Running low"), icon="alert-triangle", detail=_low),
    EventType.PRODUCT_CREATED: Kind(gettext_lazy("Product created"), icon="plus"),
    EventType.PRODUCT_UPDATED: Kind(
        gettext_lazy("Product changed"), icon="package", detail=_fields_of(Product)
    ),
    EventType.PRODUCT_DELETED: Kind(gettext_lazy("Product deleted"), icon="trash"),
    EventType.PRICE_LIST_CREATED: Kind(
        gettext_lazy("Price list created"), icon="plus", detail=_discount
    ),
    EventType.PRICE_LIST_UPDATED: Kind(
        gettext_lazy("Price list changed"),
        icon="tag",
        detail=_fields_of(PriceList, discount=percent),
    ),
    EventType.PRICE_LIST_PRICES_CHANGED: Kind(
        gettext_lazy("Prices changed"), icon="tag", detail=_priced
    ),
    EventType.PRICE_LIST_DELETED: Kind(gettext_lazy("Price list deleted"), icon="trash"),
    EventType.CUSTOMER_CREATED: Kind(gettext_lazy("Customer created"), icon="plus"),
    EventType.CUSTOMER_UPDATED: Kind(
        gettext_lazy("Customer changed"),
        icon="users",
        detail=_fields_of(Customer, price_list_id=_or_none),
    ),
    EventType.CUSTOMER_DELETED: Kind(gettext_lazy("Customer deleted"), icon="trash"),
    EventType.USER_CREATED: Kind(gettext_lazy("User created"), icon="plus", detail=_user_created),
    EventType.USER_UPDATED: Kind(
        gettext_lazy("User changed"), icon="user", detail=_fields_of(User, discount_limit=percent)
    ),
    EventType.USER_ROLE_CHANGED: Kind(
        gettext_lazy("Role changed"), icon="shield-check", detail=_role
    ),
    EventType.USER_ACTIVATED: Kind(gettext_lazy("User activated"), icon="check"),
    EventType.USER_DEACTIVATED: Kind(gettext_lazy("User deactivated"), icon="x"),
    EventType.USER_PASSWORD_CHANGED: Kind(gettext_lazy("Password changed"), icon="lock"),
    EventType.USER_SECOND_FACTORS_REMOVED: Kind(
        gettext_lazy("Second step removed"), icon="shield-check"
    ),
    EventType.WEBHOOK_CREATED: Kind(gettext_lazy("Webhook added"), icon="plus"),
    EventType.WEBHOOK_UPDATED: Kind(
        gettext_lazy("Webhook changed"), icon="arrows-exchange", detail=_fields_of(Webhook)
    ),
    EventType.WEBHOOK_SECRET_CHANGED: Kind(gettext_lazy("Webhook's secret changed"), icon="lock"),
    EventType.WEBHOOK_TESTED: Kind(gettext_lazy("Webhook tested"), icon="check"),
    EventType.WEBHOOK_DISABLED: Kind(
        gettext_lazy("Webhook given up"), icon="x", detail=lambda payload: payload["reason"]
    ),
    EventType.WEBHOOK_DELETED: Kind(gettext_lazy("Webhook deleted"), icon="trash"),
}
AGGREGATES: Final[Mapping[Aggregate, str | Promise]] = {
    Aggregate.ORDER: gettext_lazy("Order"),
    Aggregate.STOCK: gettext_lazy("Stock"),
    Aggregate.PRODUCT: gettext_lazy("Product"),
    Aggregate.PRICE_LIST: gettext_lazy("Price list"),
    Aggregate.CUSTOMER: gettext_lazy("Customer"),
    Aggregate.USER: gettext_lazy("User"),
    Aggregate.WEBHOOK: gettext_lazy("Webhook"),
}


class Record(NamedTuple):
    """What an event is about, as people call it."""

    name: str
    url: str | None = None
    """Where it is; None if it is deleted, or not for all who see the activity."""
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, in words, with the record it is about."""

    event: Event
    kind: Kind
    detail: str
    record: Record

    @property
    def payload(self) -> str:
        """The facts as other systems get them."""
        return json.dumps(self.event.payload, indent=2, ensure_ascii=False)


def entries(events: Iterable[Event]) -> list[Entry]:
    """Events in words. The records' names come in one statement a model, whatever the number of events."""
    events = list(events)
    records, lists = _records(events), _lists_given(events)

    def entry(event: Event) -> Entry:
        kind = KINDS[EventType(event.type)]
        payload = event.payload
        if given := _given(event):
            named = {"price_list_id": [lists.get(pk) for pk in given]}
            payload = {**payload, "changes": {**payload["changes"], **named}}
        return Entry(event, kind, kind.detail(payload), records[_record_of(event)])

    return [entry(event) for event in events]


def _given(event: Event) -> list[int | None]:
    """Of a customer who was given another price list: the ids of the old and the new one."""
    if event.type != EventType.CUSTOMER_UPDATED:
        return []
    ids: list[int | None] = event.payload.get("changes", {}).get("price_list_id", [])
    return ids


def _lists_given(events: Iterable[Event]) -> dict[int | None, str]:
    """The names of these lists, those of deleted ones too; no statement where there is none."""
    if not (ids := {pk for event in events for pk in _given(event) if pk}):
        return {}
    return dict(PriceList.all_objects.filter(pk__in=ids).values_list("pk", "name"))


def _record_of(event: Event) -> tuple[Aggregate, int]:
    """What a person would call the subject: of a stock level, its product."""
    if event.aggregate == Aggregate.STOCK:
        return Aggregate.PRODUCT, int(event.payload["product_id"])
    return Aggregate(event.aggregate), event.aggregate_id


def _records(events: Iterable[Event]) -> dict[tuple[Aggregate, int], Record]:
    wanted: dict[Aggregate, set[int]] = {aggregate: set() for aggregate in Aggregate}
    for aggregate, pk in map(_record_of, events):
        wanted[aggregate].add(pk)
    found: dict[tuple[Aggregate, int], Record] = {
        # Orders are shown by number, deleted ones too.
        (Aggregate.ORDER, pk): Record(order_number(pk), reverse("orders:detail", args=[pk]))
        for pk in wanted[Aggregate.ORDER]
    }
    for product in Product.all_objects.filter(pk__in=wanted[Aggregate.PRODUCT]):
        found[Aggregate.PRODUCT, product.pk] = _living(
            str(product), reverse("catalog:detail", args=[product.pk]), product.deleted_at
        )
    for each in PriceList.all_objects.filter(pk__in=wanted[Aggregate.PRICE_LIST]):
        found[Aggregate.PRICE_LIST, each.pk] = _living(
            each.name, reverse("catalog:price_list", args=[each.pk]), each.deleted_at
        )
    for customer in Customer.all_objects.filter(pk__in=wanted[Aggregate.CUSTOMER]):
        found[Aggregate.CUSTOMER, customer.pk] = _living(
            customer.name, reverse("customers:detail", args=[customer.pk]), customer.deleted_at
        )
    for webhook in Webhook.all_objects.filter(pk__in=wanted[Aggregate.WEBHOOK]):
        # No way there: its page is for administrators alone.
        found[Aggregate.WEBHOOK, webhook.pk] = _living(webhook.host, None, webhook.deleted_at)
    for user in User.objects.filter(pk__in=wanted[Aggregate.USER]):
        found[Aggregate.USER, user.pk] = Record(str(user), reverse("users:detail", args=[user.pk]))
    return found


def _living(name: str, url: str | None, deleted_at: datetime | None) -> Record:
    return Record(name, is_deleted=True) if deleted_at else Record(name, url)


#: The sorts of the page and of its file, by their public names, and the column behind each.
EVENT_SORTS: Final = {"created_at": "created_at"}


def events() -> QuerySet[Event]:
    """The log, with who did it in one more query, so that sorting keeps its index."""
    return Event.objects.prefetch_related("actor")


class EventFilter(ListFilter):
    """Every filter of the activity page."""

    type = django_filters.MultipleChoiceFilter(
        choices=[(kind.value, label.label) for kind, label in KINDS.items()],
        distinct=False,
        label=gettext_lazy("What happened"),
    )
    aggregate = django_filters.ChoiceFilter(
        choices=[(aggregate.value, label) for aggregate, label in AGGREGATES.items()],
        label=gettext_lazy("About"),
    )
    aggregate_id = IdFilter("aggregate_id", label=gettext_lazy("Record"))
    actor_id = IdFilter("actor_id", label=gettext_lazy("Person"))
    created_from = FromFilter("created_at", label=gettext_lazy("From"))
    created_to = ToFilter("created_at", label=gettext_lazy("To"))

    spans = (("created_from", "created_to"),)

    class Meta:
        model = Event
        fields: list[str] = []


def _types(filters: Mapping[str, Any]) -> Split:
    """The types of event that a page is merged from: those wanted, or all of a kind of record."""
    kind, is_of_one = filters["aggregate"], filters["aggregate_id"]
    wanted = filters["type"] or (types_of(Aggregate(kind)) if kind and not is_of_one else [])
    return "type", wanted


@require_safe
@require(Permission.VIEW_EVENTS)
def activity(request: SignedIn) -> HttpResponse:
    """Everything that happened, newest first."""
    page = listing(
        request,
        EventFilter,
        events(),
        sorts=EVENT_SORTS,
        default="-created_at",
        split=_types,
    )
    context: dict[str, Any] = {"listing": page, "entries": entries(page.rows)}
    if is_partial(request):
        return render(request, "activity/activity.html#results", context)
    context |= {
        "kinds": KINDS,
        "aggregates": AGGREGATES,
        "people": User.objects.order_by("sorted_name", "pk")[:MOST_PEOPLE],
    }
    return render(request, "activity/activity.html", context)


@dataclass(frozen=True, slots=True)
class Notice:
    """What was said when a product ran low, beside what there is of it now."""

    said: LowStockNotice
    available: int
    is_low: bool
    """Still, by the threshold of now: otherwise the matter is done."""


def low_stock_notices() -> list[Notice]:
    """Of products that are still there, each with its latest notice, newest first: two statements.

    Of the latest notices only. Which of all are open could be asked of every notice that ever was, or of every product;
    what is low now, the list of products says.
    """
    latest = (
        LowStockNotice.objects.filter(product__deleted_at=None)
        .select_related("product")
        .defer("product__description")
        .prefetch_related("product__levels")
        .order_by("-created_at", "-id")[:NOTICES]
    )
    found: dict[int, Notice] = {}
    for said in latest:
        if said.product_id not in found:
            on_hand, reserved = balances(said.product)
            low = is_low(on_hand, reserved, said.product.low_stock_threshold)
            found[said.product_id] = Notice(said, available(on_hand, reserved), low)
    return list(found.values())


def open_notices(most: int) -> list[Notice]:
    """Those of products that are low still. A notice settles itself: nobody has to tick off what was bought."""
    return [notice for notice in low_stock_notices() if notice.is_low][:most]


@require_safe
@require(Permission.VIEW_PRODUCTS)
def notices(request: SignedIn) -> HttpResponse:
    """What ran low, newest first, and whether it still is."""
    return render(request, "activity/notices.html", {"notices": low_stock_notices()})


@require_safe
@require(Permission.VIEW_PRODUCTS)
def bell(request: SignedIn) -> HttpResponse:
    """The latest open notices, for the bell of every page: the browser keeps the answer for a minute."""
    context = {"notices": open_notices(BELL)}
    response = render(request, "activity/notices.html#bell", context)
    patch_cache_control(response, private=True, max_age=BELL_AGE)
    return response
