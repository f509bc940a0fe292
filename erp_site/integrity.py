"""Is everything in the database as the services promise? What a constraint cannot say is checked here.

Rows are read in the order of their keys, a chunk at a time, or summed up by the database, so memory stays
the same with a million orders; and all of it as of one moment, so a site that is being used raises no alarm.
What the database refuses by itself (UNIQUE, CHECK, foreign keys) is not asked again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from django.db import connection
from django.db.models import (
    Count,
    Exists,
    F,
    Manager,
    Max,
    Min,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce

from accounts.models import User, UserWord
from catalog.models import PriceList, Product, ProductWord, StockLevel, StockMovement, Warehouse
from customers.models import Customer, CustomerWord
from erp_site.core import idempotency
from erp_site.core.events import Aggregate
from erp_site.core.models import Delivery, Event, EventSource, Feed, Webhook
from erp_site.core.money import to_cents
from erp_site.core.search import SearchWord, as_code, indexed, sorted_as
from orders.models import Order, OrderAmendment, OrderHistory, OrderItem, order_number
from orders.services import PLACE
from orders.states import HOLDS_STOCK, OPEN, TRANSITIONS, OrderStatus, StockEffect

CHUNK: Final = 2000  # rows of the leading table read at once
MOST_SHOWN: Final = 10  # breaches of one kind that are described
MOST_COUNTED: Final = 1000  # breaches of one kind that a query brings back

Kind = StockMovement.Kind


class Rule(StrEnum):
    """What must hold. The value is what people read when it does not."""

    LEDGER = "each movement's balances are those before it plus its change"
    STOCK = "a stock level is the sum of its movements, and its last balance"
    RESERVED = "what is reserved is what open orders hold"
    MOVED = "what orders took, gave back and shipped is in the ledger, once, and as their amendments say"
    LEVEL = "every product has a stock level in the default warehouse"
    HISTORY = "a history counts from 1 without gaps, starts as pending, and takes legal steps only"
    STATUS = "an order's status is the last step of its history"
    SUBTOTAL = "a line's subtotal is quantity times unit price"
    AGREED = "where a line keeps what the customer pays elsewhere, people agreed upon another price"
    TOTAL = "an order's total and number of items are those of its lines"
    KEY = "an order's key hash is that of its author and key"
    DELETED = (
        "what is deleted is finished: orders cancelled, products without stock, customers without open orders, "
        "price lists without customers"
    )
    SEQUENCE = "an aggregate's events count from 1 without gaps, as far as its row says"
    FEED = "positions count from 1 without gaps, up to the feed's last, and follow each aggregate's sequence"
    DELIVERY = "a delivery repeats the position and the aggregate of its event"
    SEARCH = "a row is searched by its present names, an order by its customer's reference"
    SORTED = "lists sort a row by its present name"


FIGURES: Final = (
    "orders", "lines", "steps", "stock levels", "movements", "events", "published", "products", "customers", "users",
)  # fmt: skip


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong: how often by rule, and the first few in words."""

    figures: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(FIGURES, 0)))
    breaches: Counter[Rule] = field(default_factory=Counter)
    examples: dict[Rule, list[str]] = field(default_factory=lambda: defaultdict(list))

    def breach(self, rule: Rule, example: str) -> None:
        self.breaches[rule] += 1
        if len(self.examples[rule]) < MOST_SHOWN:
            self.examples[rule].append(example)


@dataclass(slots=True)
class LevelTally:
    """What the ledger says of one level: sums, the last balances, and what each kind of movement did in all."""

    on_hand: int = 0
    reserved: int = 0
    last: tuple[int, int] = (0, 0)
    by_kind: dict[str, tuple[int, int]] = field(default_factory=dict)


#: Pieces on the lines of all orders, by product and the order's status.
type Promised = Mapping[int, Counter[str]]


def inspect() -> Report:
    """Look at everything, as of this moment, and change nothing."""
    report = Report()
    with one_moment():
        promised = inspect_orders(report)
        inspect_levels(report, inspect_ledger(report), promised)
        inspect_deletions(report)
        for aggregate, model in SOURCES.items():
            inspect_sequences(report, aggregate, model)
        inspect_gaps(report)
        inspect_feed(report)
        for searched in SEARCHED:
            inspect_search(report, searched)
        inspect_price_lists(report)
    return report


@contextmanager
def one_moment() -> Iterator[None]:
    """Everything read inside is of the moment it began, whatever others write; nobody waits for it.

    Inside a transaction this is the transaction's business.
    """
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        else:
            # Not Django's BEGIN IMMEDIATE, which would keep writers out. The first read sets the moment.
            cursor.execute("BEGIN DEFERRED")
            cursor.execute("SELECT 1 FROM sqlite_master")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def in_chunks(rows: QuerySet[Any], *columns: str) -> Iterator[list[tuple[Any, ...]]]:
    """(primary key, columns) of all rows by key, CHUNK at a time: MySQL's client would fetch all at once."""
    last = 0
    while chunk := list(
        rows.filter(pk__gt=last).order_by("pk").values_list("pk", *columns)[:CHUNK]
    ):
        yield chunk
        last = chunk[-1][0]


def _by_first(rows: Iterable[tuple[Any, ...]]) -> dict[Any, list[tuple[Any, ...]]]:
    groups: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    for first, *rest in rows:
        groups[first].append(tuple(rest))
    return groups


# --- orders


def inspect_orders(report: Report) -> Promised:
    """Lines, totals, history and key of each order; returns what the lines promise."""
    promised: dict[int, Counter[str]] = defaultdict(Counter)
    for orders in in_chunks(
        Order.all_objects.all(),
        "status", "total", "items_count", "created_by_id", "idempotency_key", "key_hash", "deleted_at",
        "customer_reference", "reference_code",
    ):  # fmt: skip
        of_these = {"order_id__gte": orders[0][0], "order_id__lte": orders[-1][0]}
        lines = _by_first(
            OrderItem.objects.filter(**of_these).values_list(
                "order_id", "product_id", "quantity", "unit_price", "list_price", "subtotal"
            )
        )
        steps = _by_first(
            OrderHistory.objects.filter(**of_these)
            .order_by("order_id", "seq")
            .values_list("order_id", "seq", "from_status", "to_status")
        )
        for pk, status, total, items_count, author, key, key_hash, deleted_at, *reference in orders:
            number = order_number(pk)
            _inspect_lines(report, number, lines[pk], total=total, items_count=items_count)
            _inspect_history(report, number, steps[pk], status=status)
            if author is None or key_hash != idempotency.key_hash(author, PLACE, key):
                report.breach(Rule.KEY, f"{number}: key {key!r} of user {author}")
            if deleted_at and status != OrderStatus.CANCELLED:
                report.breach(Rule.DELETED, f"{number} is deleted and {status}")
            given, code = reference
            if code != as_code(given):
                report.breach(Rule.SEARCH, f"{number} ({given}): {code}")
            for product_id, quantity, *_ in lines[pk]:
                promised[product_id][status] += quantity
            report.figures["orders"] += 1
            report.figures["lines"] += len(lines[pk])
            report.figures["steps"] += len(steps[pk])
    return promised


def _inspect_lines(
    report: Report, number: str, lines: list[tuple[Any, ...]], *, total: Decimal, items_count: int
) -> None:
    for product_id, quantity, unit_price, list_price, subtotal in lines:
        if list_price is not None and (list_price == unit_price or list_price <= 0):
            report.breach(
                Rule.AGREED, f"{number}, product {product_id}: {unit_price}, {list_price}"
            )
        if subtotal != to_cents(quantity * unit_price):
            line = f"product {product_id}: {quantity} x {unit_price} = {subtotal}"
            report.breach(Rule.SUBTOTAL, f"{number}, {line}")
    real = sum((subtotal for *_, subtotal in lines), Decimal(0))
    if (total, items_count) != (real, len(lines)):
        says = f"{total} for {items_count} items, its lines say {real} for {len(lines)}"
        report.breach(Rule.TOTAL, f"{number} says {says}")


def _inspect_history(
    report: Report, number: str, steps: list[tuple[Any, ...]], *, status: str
) -> None:
    before = None
    for expected, (seq, was, to) in enumerate(steps, 1):
        legal = (was, to) in TRANSITIONS if before else (was, to) == (None, OrderStatus.PENDING)
        if seq != expected or was != before or not legal:
            report.breach(
                Rule.HISTORY, f"{number}, step {seq}: {was} -> {to} after {before or 'nothing'}"
            )
        before = to
    if before != status:
        report.breach(Rule.STATUS, f"{number} is {status}, its history ends with {before}")


# --- stock


def inspect_ledger(report: Report) -> dict[int, LevelTally]:
    """Every movement follows from the one before; returns what the ledger says of each level."""
    tallies: dict[int, LevelTally] = defaultdict(LevelTally)
    for movements in in_chunks(
        StockMovement.objects.all(),
        "level_id", "kind", "delta_on_hand", "delta_reserved", "on_hand_after", "reserved_after",
    ):  # fmt: skip
        for pk, level_id, kind, on_hand, reserved, on_hand_after, reserved_after in movements:
            tally = tallies[level_id]
            before, after = tally.last, (on_hand_after, reserved_after)
            if after != (before[0] + on_hand, before[1] + reserved):
                report.breach(
                    Rule.LEDGER,
                    f"movement {pk} of level {level_id}: {before} and {on_hand:+}/{reserved:+} gives {after}",
                )
            tally.last = after
            tally.on_hand += on_hand
            tally.reserved += reserved
            sums = tally.by_kind.get(kind, (0, 0))
            tally.by_kind[kind] = (sums[0] + on_hand, sums[1] + reserved)
        report.figures["movements"] += len(movements)
    return tallies


def inspect_levels(report: Report, tallies: Mapping[int, LevelTally], promised: Promised) -> None:
    """Every level against the ledger and against the orders, which reserve in the default warehouse."""
    default = Warehouse.objects.filter(is_default=True).values_list("pk", flat=True).first()
    taken_away = _amended_away()
    for levels in in_chunks(
        StockLevel.objects.all(),
        "warehouse_id",
        "product_id",
        "product__sku",
        "on_hand",
        "reserved",
    ):
        for pk, warehouse_id, product_id, sku, on_hand, reserved in levels:
            tally = tallies.get(pk) or LevelTally()
            found = (on_hand, reserved)
            if not (tally.on_hand, tally.reserved) == found == tally.last:
                report.breach(
                    Rule.STOCK,
                    f"{sku}: {on_hand} on hand, {reserved} reserved; the sums are {tally.on_hand} and "
                    f"{tally.reserved}, the last balances {tally.last[0]} and {tally.last[1]}",
                )
            by_status = (
                promised.get(product_id, Counter()) if warehouse_id == default else Counter()
            )
            held = sum(by_status[status] for status in HOLDS_STOCK)
            if reserved != held:
                report.breach(Rule.RESERVED, f"{sku}: {reserved} reserved, open orders hold {held}")
            amended = taken_away[product_id] if warehouse_id == default else 0
            _inspect_moved(report, sku, tally, by_status, amended)
            report.figures["stock levels"] += 1
    without = Product.all_objects.exclude(
        Exists(StockLevel.objects.filter(product=OuterRef("pk"), warehouse__is_default=True))
    )
    for pk, sku in without.values_list("pk", "sku")[:MOST_COUNTED]:
        report.breach(Rule.LEVEL, f"{sku} (product {pk}) has none")


#: Where orders are whose stock went back to the shelf, and where those are whose stock left the house.
RELEASED: Final = {to for (_, to), it in TRANSITIONS.items() if it.stock is StockEffect.RELEASE}
SHIPPED: Final = set(OrderStatus) - HOLDS_STOCK - RELEASED


def _amended_away() -> Counter[int]:
    """Pieces by product that amendments gave back: they were taken, and are on no line any more."""
    pieces: Counter[int] = Counter()
    for amendments in in_chunks(OrderAmendment.objects.all(), "items"):
        for _pk, lines in amendments:
            for line in lines:
                pieces[line["product_id"]] += max(0, line["from"] - line["to"])
    return pieces


def _inspect_moved(
    report: Report, sku: str, tally: LevelTally, by_status: Counter[str], amended: int
) -> None:
    released, shipped = (
        sum(by_status[status] for status in statuses) for statuses in (RELEASED, SHIPPED)
    )
    expected = {
        Kind.RESERVED: (0, by_status.total() + amended),
        Kind.RELEASED: (0, -released - amended),
        Kind.SHIPPED: (-shipped, -shipped),
    }
    for kind, changes in expected.items():
        found = tally.by_kind.get(kind, (0, 0))
        if found != changes:
            report.breach(
                Rule.MOVED,
                f"{sku}, {kind}: the ledger says {found[0]:+}/{found[1]:+}, "
                f"the orders {changes[0]:+}/{changes[1]:+}",
            )


def inspect_deletions(report: Report) -> None:
    """Nothing depends on what is gone. (Deleted orders were looked at with the others.)"""
    stocked = StockLevel.objects.filter(product__deleted_at__isnull=False).exclude(
        on_hand=0, reserved=0
    )
    for sku, on_hand in stocked.values_list("product__sku", "on_hand")[:MOST_COUNTED]:
        report.breach(Rule.DELETED, f"{sku} is deleted with {on_hand} on hand")
    open_orders = Order.all_objects.filter(customer=OuterRef("pk"), status__in=sorted(OPEN))
    waiting = Customer.all_objects.filter(Exists(open_orders), deleted_at__isnull=False)
    for pk, name in waiting.values_list("pk", "name")[:MOST_COUNTED]:
        report.breach(Rule.DELETED, f"{name} (customer {pk}) is deleted and has open orders")
    misled = Customer.objects.filter(price_list__deleted_at__isnull=False)
    for pk, name in misled.values_list("pk", "price_list__name")[:MOST_COUNTED]:
        report.breach(Rule.DELETED, f"{name} is deleted, and customer {pk} buys by it")


# --- events

SOURCES: Final[Mapping[Aggregate, type[EventSource]]] = {
    Aggregate.ORDER: Order,
    Aggregate.STOCK: StockLevel,
    Aggregate.PRODUCT: Product,
    Aggregate.PRICE_LIST: PriceList,
    Aggregate.CUSTOMER: Customer,
    Aggregate.USER: User,
    Aggregate.WEBHOOK: Webhook,
}


def inspect_sequences(report: Report, aggregate: Aggregate, model: type[EventSource]) -> None:
    """Rows against their events, both ways. That there are no gaps is inspect_gaps'."""
    rows = model._base_manager.all()
    events = Event.objects.filter(aggregate=aggregate)
    last = events.filter(aggregate_id=OuterRef("pk")).order_by("-sequence").values("sequence")[:1]
    differing = rows.annotate(last=Coalesce(Subquery(last), 0)).exclude(event_seq=F("last"))
    for pk, counted, found in differing.values_list("pk", "event_seq", "last")[:MOST_COUNTED]:
        report.breach(
            Rule.SEQUENCE, f"{aggregate} {pk} counts {counted} events, the last is {found}"
        )
    of_nothing = events.filter(sequence=1).exclude(Exists(rows.filter(pk=OuterRef("aggregate_id"))))
    for pk in of_nothing.values_list("aggregate_id", flat=True)[:MOST_COUNTED]:
        report.breach(Rule.SEQUENCE, f"there are events of {aggregate} {pk}, and no such row")


def inspect_gaps(report: Report) -> None:
    """Each aggregate's events count from 1, and belong to an aggregate there is."""
    gaps = (
        Event.objects.values("aggregate", "aggregate_id")
        .annotate(first=Min("sequence"), last=Max("sequence"), number=Count("pk"))
        .filter(~Q(first=1) | ~Q(number=F("last")))
        .order_by("aggregate", "aggregate_id")
    )
    for gap in gaps[:MOST_COUNTED]:
        report.breach(
            Rule.SEQUENCE,
            "{aggregate} {aggregate_id} has {number} events from {first} to {last}".format(**gap),
        )
    unknown = Event.objects.exclude(aggregate__in=SOURCES).values_list("pk", "aggregate")
    for pk, aggregate in unknown[:MOST_COUNTED]:
        report.breach(Rule.SEQUENCE, f"event {pk} is of the unknown aggregate {aggregate!r}")
    report.figures["events"] = Event.objects.count()


def inspect_feed(report: Report) -> None:
    """Readers that follow positions miss nothing, and see each aggregate in sequence."""
    published = Event.objects.filter(position__isnull=False)
    found = published.aggregate(first=Min("position"), last=Max("position"), number=Count("pk"))
    given = Feed.objects.values_list("last_position", flat=True).first() or 0
    report.figures["published"] = found["number"]
    if not (found["last"] or 0) == found["number"] == given or (found["first"] or 1) != 1:
        says = "{number} positions from {first} to {last}".format(**found)
        report.breach(Rule.FEED, f"{says}; the feed's last is {given}")
    younger_before_it = published.filter(
        aggregate=OuterRef("aggregate"),
        aggregate_id=OuterRef("aggregate_id"),
        sequence=OuterRef("sequence") + 1,
        position__lt=Coalesce(OuterRef("position"), 2**63 - 1),
    )
    overtaken = Event.objects.filter(Exists(younger_before_it))
    rows = overtaken.values_list("aggregate", "aggregate_id", "sequence", "position")
    for aggregate, pk, sequence, position in rows[:MOST_COUNTED]:
        report.breach(
            Rule.FEED,
            f"{aggregate} {pk}: event {sequence} at position {position} comes after its next one",
        )
    astray = Delivery.objects.exclude(
        position=Coalesce("event__position", 0),
        aggregate=F("event__aggregate"),
        aggregate_id=F("event__aggregate_id"),
    )
    for pk, consumer, event_id in astray.values_list("pk", "consumer", "event_id")[:MOST_COUNTED]:
        report.breach(Rule.DELIVERY, f"delivery {pk} of event {event_id} to {consumer}")


# --- search


@dataclass(frozen=True, slots=True)
class Searched:
    """Which columns of a row the words of `table` come from."""

    model: type[Model]
    table: type[SearchWord]
    names: tuple[str, ...]
    codes: tuple[str, ...] = ()


SEARCHED: Final = (
    Searched(Product, ProductWord, ("name",), ("sku", "gtin")),
    Searched(Customer, CustomerWord, ("name",)),
    Searched(User, UserWord, ("name", "email")),
)


def inspect_price_lists(report: Report) -> None:
    """They are few, and found by their names alone, which are unique by what they are sorted by."""
    for pk, name, sorted_name in PriceList.all_objects.values_list("pk", "name", "sorted_name"):
        if sorted_name != sorted_as(name):
            report.breach(Rule.SORTED, f"price list {pk} ({name}): {sorted_name}")


def inspect_search(report: Report, searched: Searched) -> None:
    """Every row is found by its names and by nothing else, and sorted by its name."""
    noun = searched.model._meta.model_name
    index: Manager[Any] = searched.table._default_manager
    columns = ("sorted_name", *searched.names, *searched.codes)
    for rows in in_chunks(searched.model._base_manager.all(), *columns):
        words_of_these = index.filter(owner_id__gte=rows[0][0], owner_id__lte=rows[-1][0])
        found = _by_first(words_of_these.values_list("owner_id", "word"))
        for pk, sorted_name, *texts in rows:
            if sorted_name != sorted_as(texts[0]):
                report.breach(Rule.SORTED, f"{noun} {pk} ({texts[0]}): {sorted_name}")
            names, codes = texts[: len(searched.names)], texts[len(searched.names) :]
            if difference := indexed(*names, codes=codes) ^ {word for (word,) in found[pk]}:
                words = ", ".join(sorted(difference))
                report.breach(Rule.SEARCH, f"{noun} {pk} ({texts[0]}): {words}")
        report.figures[f"{noun}s"] += len(rows)
