"""Reading orders. Lists never join the customer into the sorted query: ids first, then prefetch."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db.models import (
    Count,
    F,
    Max,
    Min,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
)
from django.utils.translation import gettext as _

from accounts.models import User
from catalog.models import StockLevel
from customers.models import Customer
from erp_site.core import clock
from erp_site.core.counting import COUNT_CAP
from erp_site.core.errors import NotFound
from erp_site.core.events import Aggregate, EventType
from erp_site.core.models import Event
from erp_site.core.money import percent_change
from erp_site.core.paths import record_id
from erp_site.core.search import as_code, begins_with, sorted_as
from erp_site.core.statements import Query, RowCount, Statement, columns_of, together

from .models import (
    Order,
    OrderAmendment,
    OrderHistory,
    OrderItem,
    OrderNote,
    SavedView,
    taken_off,
)
from .states import HOLDS_STOCK, OPEN, OrderStatus

#: How many orders the page of a product or of a customer names.
SHOWN_BESIDE: Final = 10
#: So many orders with such references are sorted; with more, a page of them is soon found along the list.
MOST_REFERENCES: Final = 5000


#: "PED-000482", "ped 482", "#482", "pedido 482", "482": the number of an order as people write it.
_NUMBER: Final = re.compile(
    rf"(?P<ours>{Order.NUMBER_PREFIX.rstrip('-')}[\s-]*|#\s*)?(?:(?:pedido|order)\s+)?0*(?P<id>[1-9][0-9]{{0,17}})",
    re.IGNORECASE,
)
#: Of a reference. With fewer signs too many begin so.
_SHORTEST_REFERENCE: Final = 3
#: The sorts of the list and of its files.
SORTS: Final = {"created_at": "created_at", "updated_at": "updated_at"}
_LINES: Final = Prefetch(
    "items", OrderItem.objects.annotate(of_version=F("order__version")).order_by("pk")
)


def order_rows() -> QuerySet[Order]:
    """Living orders for a list, each with its customer: two statements, whatever the number of rows."""
    return Order.objects.prefetch_related("customer", "created_by")


def orders_with_lines() -> QuerySet[Order]:
    """Living orders for a list of their lines: one statement more than `order_rows`."""
    return order_rows().prefetch_related(_LINES)


def whole_orders(order_ids: Iterable[int]) -> list[Order]:
    """Orders with their lines, customers, authors and last amendment's time, deleted ones too, in the order of their
    ids."""
    amendments = OrderAmendment.objects.filter(order=OuterRef("pk")).order_by("-version")
    asked = (
        Order.all_objects.filter(pk__in=order_ids)
        .annotate(amended_at=Subquery(amendments.values("created_at")[:1]))
        .select_related("customer", "created_by")
        .prefetch_related(_LINES)
        .order_by("pk")
    )
    orders: list[Order] = list(asked)
    while any(
        item.of_version != order.version  # type: ignore[attr-defined]  # see _LINES
        for order in orders
        for item in order.items.all()
    ):
        orders = list(asked.all())  # amended between the two statements
    return orders


def get_order(order_id: int) -> Order:
    """One whole order; a deleted one too, for its number still stands on paper.

    Raises:
        NotFound: there never was such an order.
    """
    for order in whole_orders([order_id]):
        return order
    raise missing(order_id)


def number_in(text: str) -> int | None:
    """The id of the order whose number this is; None if it is no number of an order."""
    number = _NUMBER.fullmatch(text.strip())
    return int(number["id"]) if number else None


def is_our_number(text: str) -> bool:
    """It says itself that it is the number of an order here, and nothing of the customer's."""
    number = _NUMBER.fullmatch(text.strip())
    return number is not None and number["ours"] is not None


def ids_by_reference(text: str) -> "QuerySet[Order, int] | None":
    """Whose customer's reference begins so, deleted ones too; a few signs are a whole one. None if it is none."""
    code = as_code(text)
    if not code or is_our_number(text):
        return None
    begins_so = begins_with("reference_code", code)
    if len(code) < _SHORTEST_REFERENCE:
        begins_so = Q(reference_code=code)
    return Order.all_objects.filter(begins_so).values_list("pk", flat=True)


def find_orders(text: str, *, limit: int) -> list[Order]:
    """What a person means who types a number: the order that has it, and the latest whose customer's reference does."""
    number, by_reference = number_in(text), ids_by_reference(text)
    found = [number] if number else []
    if by_reference is not None:
        found += sorted(by_reference[:MOST_REFERENCES], reverse=True)
    rows = order_rows().in_bulk(found[: 2 * limit])
    return [rows[pk] for pk in dict.fromkeys(found) if pk in rows][:limit]


def missing(order_id: int) -> NotFound:
    """The refusal that names this order."""
    return NotFound(_("There is no such order."), order_id=order_id)


class OrderLine(NamedTuple):
    """One line of an order as plain values: for what is read or written thousands of times."""

    id: int
    product_id: int
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    subtotal: Decimal
    list_price: Decimal | None

    @property
    def change(self) -> Decimal:
        """By how much an agreed price is above the customer's, in percent; less than 0 where it is below."""
        return percent_change(self.list_price or self.unit_price, self.unit_price)


_WITH_NAMES: Final = (*columns_of(Order), "customer__name", "created_by__name")
_order: Final = Query(lambda pk: Order.all_objects.filter(pk=pk).values_list(*_WITH_NAMES))
_order_of_key: Final = Query(
    lambda key_hash: Order.all_objects.filter(key_hash=key_hash).values_list(*_WITH_NAMES)
)
_LINE: Final = (*OrderLine._fields, "order__version")
_lines_of_key: Final = Query(
    lambda key_hash: (
        OrderItem.objects.filter(order__key_hash=key_hash).order_by("pk").values_list(*_LINE)
    )
)
_lines: Final = Query(
    lambda order_id: OrderItem.objects.filter(order_id=order_id).order_by("pk").values_list(*_LINE)
)


def read_order(order_id: int) -> Order:
    """An order with the names of its customer and its author, and nothing else of them; a deleted one too.

    Raises:
        NotFound: there never was such an order.
    """
    if order := first_order(_order(order_id)):
        return order
    raise missing(order_id)


def read_whole_order(order_id: int) -> tuple[Order, list[OrderLine]]:
    """An order as `read_order` reads it, and its lines, in one round trip.

    Raises:
        NotFound: there never was such an order.
    """
    if whole := _whole(_order.of(order_id), _lines.of(order_id)):
        return whole
    raise missing(order_id)


def whole_order_of_key(key_hash: str) -> tuple[Order, list[OrderLine]] | None:
    """The order that this key has placed, as `read_whole_order` reads it."""
    return _whole(_order_of_key.of(key_hash), _lines_of_key.of(key_hash))


def with_lines(order: Order) -> tuple[Order, list[OrderLine]]:
    """This order and its lines; both as they are now, if it was changed since it was read."""
    lines = _lines_if_of(order, _lines(order.pk))
    return read_whole_order(order.pk) if lines is None else (order, lines)


def _whole(*asked: Statement[Any]) -> tuple[Order, list[OrderLine]] | None:
    """The order and the lines that two statements answer; asked again if it was changed between them."""
    while True:
        rows, lines = together(*asked)
        order = first_order(rows)
        if order is None:
            return None
        if (found := _lines_if_of(order, lines)) is not None:
            return order, found


def _lines_if_of(order: Order, rows: Iterable[Sequence[Any]]) -> list[OrderLine] | None:
    """The lines, each of which says the order's version of its moment; None if that is not this one."""
    lines = []
    for *line, version in rows:
        if version != order.version:
            return None
        lines.append(OrderLine(*line))
    return lines


def asking_for_key(key_hash: str) -> Statement[list[Any]]:
    """Which order this key has placed, to be asked together with other questions; `first_order` reads the answer."""
    return _order_of_key.of(key_hash)


def first_order(rows: Iterable[Sequence[Any]]) -> Order | None:
    """The order in the answer, if there is one."""
    for row in rows:
        return _from_row(row)
    return None


def _from_row(row: Sequence[Any]) -> Order:
    *columns, customer, author = row
    order = Order.from_db(None, columns_of(Order), columns)
    order.customer = Customer.from_db(None, ["id", "name"], [order.customer_id, customer])
    if order.created_by_id is not None:
        order.created_by = User.from_db(None, ["id", "name"], [order.created_by_id, author])
    return order


def history_of(order_id: int) -> QuerySet[OrderHistory]:
    """The steps of one order."""
    return OrderHistory.objects.filter(order_id=order_id).prefetch_related("actor")


def amendments_of(order_id: int) -> QuerySet[OrderAmendment]:
    """What people changed of one order."""
    return OrderAmendment.objects.filter(order_id=order_id).prefetch_related("actor")


def notes_of(order_id: int) -> QuerySet[OrderNote]:
    """The notes people wrote on one order."""
    return OrderNote.objects.filter(order_id=order_id).prefetch_related("actor")


def require_order(order_id: int) -> None:
    """Refuse an id that never was an order's.

    Raises:
        NotFound
    """
    if not Order.all_objects.filter(pk=order_id).exists():
        raise missing(order_id)


def has_open_orders(customer: Customer) -> bool:
    """Is there an order of this customer that is not at its end?"""
    return Order.objects.filter(customer=customer, status__in=sorted(OPEN)).exists()


def _desks(cap: int) -> dict[str, RowCount]:
    """The orders that wait at each desk, counted up to `cap` and one more."""
    some = slice(cap + 1)

    def of(**filters: Any) -> Any:
        return Order.objects.filter(**filters).values_list("pk")[some]

    return {
        "pending": RowCount(lambda: of(status=OrderStatus.PENDING)),
        "to_pick": RowCount(lambda: of(status=OrderStatus.CONFIRMED)),
        "to_ship": RowCount(lambda: of(status=OrderStatus.PICKED)),
        "late": RowCount(lambda today: of(status__in=sorted(OPEN), due_date__lt=today)),
    }


#: What fits on a tab, "999+" beyond: counting ten thousand for each was a quarter of the list.
TAB_CAP: Final = 999
_counted: Final = {cap: _desks(cap) for cap in (TAB_CAP, COUNT_CAP)}


def desk_counts(cap: int = COUNT_CAP) -> dict[str, int]:
    """How many orders wait at each desk, up to the cap (TAB_CAP or COUNT_CAP) and one more."""
    today = clock.today()
    asked = {
        name: count.of(today) if name == "late" else count.of()
        for name, count in _counted[cap].items()
    }
    return dict(zip(asked, together(*asked.values()), strict=True))


#: True of every order, and says so to the index of due dates, which begins with the status.
ANY_STATUS: Final = Q(status__in=OrderStatus.values)


def creation_of_those_due(
    first: date | None, last: date | None
) -> tuple[datetime, datetime] | tuple[None, None]:
    """When the first and the last of the orders were placed that are due from `first` to `last`, deleted ones too.

    MySQL and MariaDB leap from one due date to the next in their index: a few thousand steps among a million orders.
    """
    due = Order.all_objects.filter(ANY_STATUS)
    if first:
        due = due.filter(due_date__gte=first)
    if last:
        due = due.filter(due_date__lte=last)
    ends = (
        due.values("status", "due_date")
        .annotate(first=Min("created_at"), last=Max("created_at"))
        .aggregate(Min("first"), Max("last"))
    )
    return ends["first__min"], ends["last__max"]


def saved_views(user_id: int) -> list[SavedView]:
    """This user's own views and those that others share, by name."""
    found = SavedView.objects.filter(Q(owner_id=user_id) | Q(is_shared=True)).order_by("pk")
    return sorted(found, key=lambda view: sorted_as(view.name))


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to an order: a step, an amendment, a note, or what the event log says beyond."""

    at: datetime
    kind: str
    actor: User | None
    text: str
    request_id: str
    step: OrderHistory | None = None
    amendment: OrderAmendment | None = None
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class OrderPage:
    """All that the page of one order shows."""

    order: Order
    lines: list[OrderLine]
    timeline: list[TimelineEntry]
    """Newest first."""
    newer: int | None
    """The living order after this one in the list of all; `older` is the one before."""
    older: int | None

    @property
    def taken_off(self) -> Decimal:
        """What agreed prices took off the customer's, in reais."""
        agreed = ((it.list_price, it.unit_price, it.quantity) for it in self.lines if it.list_price)
        return taken_off(agreed)


#: Events that a step of the history or an amendment tells already.
TOLD_ALREADY: Final = (
    EventType.ORDER_PLACED,
    EventType.ORDER_STATUS_CHANGED,
    EventType.ORDER_CANCELLED,
    EventType.ORDER_AMENDED,
)
_ACTOR: Final = ("actor__name", "actor__email")
_with_customer: Final = Query(
    lambda pk: Order.all_objects.filter(pk=pk).values_list(
        *_WITH_NAMES, *(f"customer__{column}" for column in columns_of(Customer))
    )
)
_steps: Final = Query(
    lambda order_id: (
        OrderHistory.objects.filter(order_id=order_id)
        .order_by("seq")
        .values_list(*columns_of(OrderHistory), *_ACTOR)
    )
)
_notes: Final = Query(
    lambda order_id: (
        OrderNote.objects.filter(order_id=order_id)
        .order_by("pk")
        .values_list(*columns_of(OrderNote), *_ACTOR)
    )
)
_events: Final = Query(
    lambda order_id: (
        Event.objects.filter(aggregate=Aggregate.ORDER, aggregate_id=order_id)
        .exclude(type__in=TOLD_ALREADY)
        .order_by("sequence")
        .values_list(*columns_of(Event), *_ACTOR)
    )
)
_amendments: Final = Query(
    lambda order_id: (
        OrderAmendment.objects.filter(order_id=order_id)
        .order_by("version")
        .values_list(*columns_of(OrderAmendment), *_ACTOR)
    )
)
_newer: Final = Query(
    lambda pk: Order.objects.filter(pk__gt=pk).order_by("pk").values_list("pk")[:1]
)
_older: Final = Query(
    lambda pk: Order.objects.filter(pk__lt=pk).order_by("-pk").values_list("pk")[:1]
)


def read_page(order_id: int, *, with_events: bool = False) -> OrderPage:
    """An order, deleted ones too, with all that its page shows, in one round trip; the event log if that may be seen.

    Raises:
        NotFound: there never was such an order.
    """
    told = (_with_customer, _lines, _newer, _older, _steps, _notes, _amendments)
    asked = [each.of(order_id) for each in told]
    if with_events:
        asked.append(_events.of(order_id))
    lines = None
    while lines is None:
        orders, rows, newer, older, steps, notes, amendments, *events = together(*asked)
        if not orders:
            raise missing(order_id)
        row, customer = orders[0][: len(_WITH_NAMES)], orders[0][len(_WITH_NAMES) :]
        order = _from_row(row)
        lines = _lines_if_of(order, rows)
    order.customer = Customer.from_db(None, columns_of(Customer), customer)
    entries = [
        TimelineEntry(step.created_at, "step", step.actor, step.note, step.request_id, step)
        for step in _with_actors(OrderHistory, steps)
    ]
    entries += [
        TimelineEntry(note.created_at, "note", note.actor, note.text, note.request_id)
        for note in _with_actors(OrderNote, notes)
    ]
    entries += [
        TimelineEntry(it.created_at, "amendment", it.actor, it.reason, it.request_id, amendment=it)
        for it in _with_actors(OrderAmendment, amendments)
    ]
    entries += [
        TimelineEntry(event.created_at, "event", event.actor, "", event.request_id, event=event)
        for rows in events
        for event in _with_actors(Event, rows)
    ]
    return OrderPage(
        order=order,
        lines=lines,
        timeline=sorted(entries, key=lambda entry: entry.at)[::-1],
        newer=newer[0][0] if newer else None,
        older=older[0][0] if older else None,
    )


def _with_actors(model: Any, rows: Iterable[Sequence[Any]]) -> Iterator[Any]:
    """Rows of `model`, each with who did it as far as a page names them."""
    for *columns, name, email in rows:
        row = model.from_db(None, columns_of(model), columns)
        row.actor = row.actor_id and User.from_db(
            None, ["id", "name", "email"], [row.actor_id, name, email]
        )
        yield row


def last_step(order_id: int) -> OrderHistory | None:
    """What was done with the order last, and by whom."""
    return history_of(order_id).order_by("-seq").first()


def latest_changes(limit: int) -> list[OrderHistory | OrderAmendment]:
    """What was done with orders last, newest first: steps and amendments."""
    steps = OrderHistory.objects.prefetch_related("actor").order_by("-pk")[:limit]
    amendments = OrderAmendment.objects.prefetch_related("actor").order_by("-pk")[:limit]
    done: list[OrderHistory | OrderAmendment] = [*steps, *amendments]
    return sorted(done, key=lambda it: it.created_at, reverse=True)[:limit]


def amended_since(order_id: int, step: OrderHistory | None) -> OrderAmendment | None:
    """The last amendment, if it came after this step."""
    last = amendments_of(order_id).order_by("-version").first()
    return last if last and (step is None or step.created_at <= last.created_at) else None


def customer_of_filter(values: Sequence[str]) -> Customer | None:
    """Whose orders a list shows, when it shows one customer's."""
    customer_id = record_id(values[-1]) if values else None
    return Customer.all_objects.filter(pk=customer_id).first() if customer_id else None


def latest_of_customer(customer_id: int) -> list[Order]:
    """The last three orders of a customer, to be looked at or repeated."""
    return list(Order.objects.filter(customer_id=customer_id).order_by("-created_at", "-pk")[:3])


def reserving(product_id: int) -> dict[str, Any]:
    """The latest orders that hold stock of a product, with how many pieces, and whether there are more.

    Not how many more, and the latest first: else it would look at every line a bestseller was ever on.
    """
    levels = StockLevel.objects.filter(product_id=product_id)
    if not levels.aggregate(reserved=Sum("reserved"))["reserved"]:
        return {"items": [], "more": False}
    # The count, which is always 1, makes MariaDB and MySQL list the open orders, a few thousand entries of one index.
    # Without it they look up each order the product was ever on: hundreds of places in a large table.
    open_ones = Order.all_objects.filter(status__in=sorted(HOLDS_STOCK))
    listed = open_ones.values("pk").annotate(rows=Count("pk")).filter(rows__gt=0).values("pk")
    holding = OrderItem.objects.filter(product_id=product_id, order_id__in=listed)
    # By id first: that needs the index alone, whole lines would be read before they are refused.
    ids = list(holding.order_by("-order_id").values_list("pk", flat=True)[: SHOWN_BESIDE + 1])
    lines = OrderItem.objects.filter(pk__in=ids).select_related("order__customer")
    items = list(lines.order_by("-order_id"))
    return {"items": items[:SHOWN_BESIDE], "more": len(items) > SHOWN_BESIDE}


def of_customer(customer_id: int) -> dict[str, Any]:
    """The latest orders of a customer, and what all that were not cancelled come to."""
    placed = Order.objects.filter(customer_id=customer_id)
    figures = placed.aggregate(
        count=Count("pk"),
        open=Count("pk", filter=Q(status__in=sorted(OPEN))),
        total=Sum("total", filter=~Q(status=OrderStatus.CANCELLED)),
    )
    latest = placed.order_by("-created_at", "-pk")[:SHOWN_BESIDE]
    return {"customer_id": customer_id, "latest": list(latest), **figures}
