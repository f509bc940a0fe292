"""Data in bulk, to measure with: two years of a distributor with as many orders as you like, made in minutes.

`story` makes demo data through the services; a million orders would take hours that way. Here the rows are made as
the services would write them, in the order of time and with the same balances, histories and events, and
`check_integrity` says whether that is so. The same number, seed and moment give the same rows.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from allauth.account.models import EmailAddress
from django.db import connection, transaction
from django.db.models import Model

from accounts.models import User
from accounts.roles import Role
from catalog.models import (
    LowStockNotice,
    Product,
    ProductWord,
    StockLevel,
    StockMovement,
    Warehouse,
)
from customers.models import Customer, CustomerWord
from erp_site.core import clock, idempotency, taxid
from erp_site.core.events import Aggregate, EventType
from erp_site.core.models import Event, Feed
from erp_site.core.outbox import FEED_ID
from erp_site.core.search import as_code, fold, indexed, sorted_as
from orders.models import Order, OrderHistory, OrderItem, OrderNote, item_id, order_number
from orders.services import PLACE
from orders.states import OrderStatus as S

from . import LOGINS, PASSWORD
from .story import CANCELLATIONS, DESK_NOTES, ORDER_NOTES, STEP_NOTES, WEEK

Kind, Reason = StockMovement.Kind, StockMovement.Reason

DAYS: Final = 730
DAY: Final = 24 * 60 * 60  # seconds
OPENS, CLOSES = 11 * 60 * 60, 21 * 60 * 60  # seconds of the day, UTC: 8 to 18 in São Paulo
BATCH: Final = 300_000  # rows made before they are written
#: Lines of one order after the other: three on average.
LINES: Final = (1, 3, 2, 5, 3, 4)
#: The way of an order, and the hours (shortest, longest) that each step takes.
STEPS: Final = ((S.CONFIRMED, 0.2, 8), (S.PICKED, 1, 20), (S.SHIPPED, 1, 20), (S.DELIVERED, 12, 60))
CANCELLED, DELETED, FORGOTTEN, NOTED = (
    0.06,
    0.1,
    0.01,
    0.05,
)  # shares; of the cancelled, the deleted
ADDRESSES: Final = ("Rua das Acácias", "Avenida Central", "Rua do Porto", "Rua XV de Novembro")

_TRADES: Final = (
    "Padaria", "Restaurante", "Mercado", "Hotel", "Lanchonete", "Pizzaria", "Cantina", "Escola", "Hospital",
    "Supermercado", "Churrascaria", "Café", "Confeitaria", "Pousada", "Empório", "Mercearia", "Buffet", "Clínica",
)  # fmt: skip
_FAMILIES: Final = (
    "Silva", "Santos", "Oliveira", "Souza", "Rodrigues", "Ferreira", "Alves", "Pereira", "Lima", "Gomes", "Costa",
    "Ribeiro", "Martins", "Carvalho", "Almeida", "Lopes", "Soares", "Fernandes", "Vieira", "Barbosa", "Rocha", "Dias",
    "Nascimento", "Andrade", "Moreira", "Nunes", "Marques", "Machado", "Mendes", "Freitas", "Cardoso", "Ramos",
    "Gonçalves", "Santana", "Teixeira", "Araújo", "Peixoto", "Vasconcelos", "Yamamoto", "Zanetti",
)  # fmt: skip
_PLACES: Final = (
    "da Serra", "do Vale", "do Porto", "da Praia", "Central", "do Norte", "do Sul", "das Palmeiras", "da Estação",
    "Boa Vista", "Bela Vista", "Novo Horizonte", "Santa Rita", "São João",
)  # fmt: skip
_GOODS: Final = (
    "Arroz", "Feijão", "Açúcar", "Óleo de soja", "Macarrão", "Farinha", "Molho de tomate", "Leite", "Café", "Biscoito",
    "Água mineral", "Refrigerante", "Suco", "Detergente", "Desinfetante", "Sabão", "Papel toalha", "Guardanapo", "Copo",
    "Embalagem", "Sacola", "Atum", "Azeite", "Vinagre",
)  # fmt: skip
_SORTS: Final = (
    "tradicional",
    "integral",
    "premium",
    "extra",
    "concentrado",
    "orgânico",
    "leve",
    "especial",
)
_BRANDS: Final = (
    "Serra Clara",
    "Bom Sítio",
    "Canavial",
    "Trigal",
    "Pomar Real",
    "Brilhar",
    "Nuvem",
    "Tupi",
    "Oliveto",
)
_SIZES: Final = (
    "500 g",
    "1 kg",
    "5 kg",
    "900 ml",
    "2 L",
    "caixa com 12",
    "fardo com 24",
    "pacote com 100",
)


class Table(NamedTuple):
    """A model and the columns that are written; ids that nothing refers to come from the database.

    The rows of a batch are written `by` one of them: an index that begins with it, and is larger than the database's
    memory, is then gone through once a batch instead of once a row. Rows of one value stay in the order of time.
    """

    model: type[Model]
    fields: tuple[str, ...]
    by: str = ""

    @property
    def columns(self) -> list[str]:
        quote = connection.ops.quote_name
        return [quote(self.model._meta.get_field(name).column) for name in self.fields]  # type: ignore[union-attr, arg-type]  # concrete columns

    @property
    def name(self) -> str:
        return connection.ops.quote_name(self.model._meta.db_table)


def _table(model: type[Model], fields: str, *, by: str = "") -> Table:
    return Table(model, tuple(fields.split()), by)


_RECORD: Final = "version event_seq is_active created_at updated_at deleted_at live"
PRODUCTS: Final = _table(
    Product, f"id sku gtin name description price low_stock_threshold {_RECORD} sorted_name"
)
LEVELS: Final = _table(StockLevel, "id warehouse product on_hand reserved event_seq")
CUSTOMERS: Final = _table(Customer, f"id name cpf_cnpj email phone address {_RECORD} sorted_name")
PRODUCT_WORDS: Final = _table(ProductWord, "owner word")
CUSTOMER_WORDS: Final = _table(CustomerWord, "owner word")
ORDERS: Final = _table(
    Order,
    "id customer status total items_count notes due_date customer_reference reference_code delivery_address "
    "idempotency_key key_hash fingerprint version event_seq created_by created_at updated_at deleted_at",
    by="customer",
)
ITEMS: Final = _table(
    OrderItem, "id order product sku name quantity unit_price subtotal", by="product"
)
HISTORY: Final = _table(
    OrderHistory, "order seq from_status to_status actor note request_id created_at fingerprint"
)
NOTES: Final = _table(OrderNote, "order text actor request_id created_at")
MOVEMENTS: Final = _table(
    StockMovement,
    "level kind delta_on_hand delta_reserved on_hand_after reserved_after reason note reference actor request_id "
    "created_at fingerprint",
    by="level",
)
EVENTS: Final = _table(
    Event, "uid type aggregate aggregate_id sequence payload actor request_id created_at position"
)
NOTICES: Final = _table(LowStockNotice, "event_uid product available threshold created_at")

type Row = tuple[Any, ...]
type Batch = dict[Table, list[Row]]


class NotEmpty(Exception):
    """There are orders, products or customers already."""


@dataclass(slots=True)
class Shelf:
    """A product with its stock at the moment the load has come to. Prices in cents."""

    pk: int
    sku: str
    name: str
    price: int
    threshold: int | None
    lot: int
    on_hand: int = 0
    reserved: int = 0
    events: int = 0

    @property
    def is_low(self) -> bool:
        return self.threshold is not None and self.on_hand - self.reserved <= self.threshold


@dataclass(slots=True)
class Plan:
    """An order to be: its lines, and every step it will have taken by now."""

    pk: int
    customer: int
    author: int
    total: int
    lines: list[tuple[Shelf, int]]
    #: (seconds from the beginning, status, who, note) after the placing.
    steps: list[tuple[int, str, int, str]] = field(default_factory=list)
    is_deleted: bool = False


class Load:
    """Everything in the order of time. `null` stands for NULL in the rows it makes."""

    def __init__(
        self,
        orders: int,
        *,
        products: int,
        seed: int,
        now: datetime,
        people: Sequence[int],
        position: int,
        null: Any,
    ) -> None:
        self.random = Random(seed)  # noqa: S311 -- data to measure with, not secrets
        self.orders, self.products, self.people, self.null = orders, products, people, null
        self.position = position
        self.start = datetime.combine(now.date() - timedelta(days=DAYS), datetime.min.time())
        self.now = int((now.replace(tzinfo=None) - self.start).total_seconds())
        self.days = [f"{self.start + timedelta(days=n):%Y-%m-%d}" for n in range(-DAYS, DAYS + 30)]
        self.clock = [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(DAY)]
        self.epoch = int(self.start.replace(tzinfo=now.tzinfo).timestamp())
        self.rows: Batch = defaultdict(list)
        self.made = 0
        self.shelves: list[Shelf] = []
        self.customers = 0
        self.ahead: dict[int, list[tuple[int, int, int, Plan]]] = defaultdict(list)
        self.placed = 0

    def batches(self) -> Iterator[Batch]:
        """All rows, some at a time."""
        self.stock_up()
        self.win_customers()
        for number, orders in enumerate(self.by_day()):
            self.day(number, orders)
            if self.made >= BATCH:
                yield self.take()
        self.close()
        yield self.take()

    def take(self) -> Batch:
        made, self.rows, self.made = self.rows, defaultdict(list), 0
        return made

    def by_day(self) -> list[int]:
        """How many orders each day has: more from year to year, few at weekends; the last one is today."""
        weekday = self.start.weekday()
        weights = [(WEEK[(weekday + n) % 7] + 1) * (1 + n / DAYS) for n in range(DAYS + 1)]
        found, share, before = [], sum(weights), 0.0
        for weight in weights:
            now = before + weight / share * self.orders
            found.append(round(now) - round(before))
            before = now
        return found

    def at(self, seconds: int) -> str:
        day, second = divmod(seconds, DAY)
        return f"{self.days[day + DAYS]} {self.clock[second]}"

    def event(  # noqa: PLR0917 -- called six million times
        self,
        kind: EventType,
        aggregate: Aggregate,
        pk: int,
        sequence: int,
        payload: str,
        actor: int,
        seconds: int,
    ) -> str:
        """Append a published event; its uid is a UUIDv7 of the moment and the position."""
        self.position += 1
        uid = f"{(self.epoch + seconds) * 1000:012x}7000{(1 << 63) + self.position:016x}"
        self.rows[EVENTS].append(
            (
                uid,
                kind.value,
                aggregate.value,
                pk,
                sequence,
                payload,
                actor,
                "",
                self.at(seconds),
                self.position,
            )
        )
        return uid

    # --- the beginning

    def stock_up(self) -> None:
        """The goods, most of them sold, a hundredth deleted before anything was sold of them."""
        count = self.products
        warehouse = Warehouse.objects.get(is_default=True).pk
        rnd, null = self.random, self.null
        self.warehouse = warehouse
        for pk in range(1, count + count // 100 + 1):
            goods = rnd.choice(_GOODS)
            name = f"{goods} {rnd.choice(_SORTS)} {rnd.choice(_BRANDS)} {rnd.choice(_SIZES)}"
            sku = f"{fold(goods)[:3].upper()}-{pk:05d}"
            price = rnd.randint(150, 30_000)
            threshold = rnd.randint(10, 60) if rnd.random() < 0.7 else None
            is_deleted = pk > count
            at = self.at(made := -DAYS * DAY // 2 + pk * 600)
            shelf = Shelf(pk, sku, name, price, threshold, lot=rnd.randint(200, 600))
            self.shelves.append(shelf)
            active = int(rnd.random() > 0.03 and not is_deleted)
            self.rows[PRODUCTS].append(
                (pk, sku, "", name, "", cents(price), null if threshold is None else threshold, 1, 1 + is_deleted,
                 active, at, at, at if is_deleted else null, null if is_deleted else 1, sorted_as(name))
            )  # fmt: skip
            self.rows[PRODUCT_WORDS] += [(pk, word) for word in sorted(indexed(name, codes=[sku]))]
            boss = self.people[0]
            opening = 0 if is_deleted else shelf.lot
            payload = (
                f'{{"sku": "{sku}", "name": "{name}", "price": "{cents(price)}", "is_active": true, '
                f'"on_hand": {opening}}}'
            )
            self.event(EventType.PRODUCT_CREATED, Aggregate.PRODUCT, pk, 1, payload, boss, made)
            if is_deleted:
                payload = f'{{"sku": "{sku}", "name": "{name}"}}'
                self.event(EventType.PRODUCT_DELETED, Aggregate.PRODUCT, pk, 2, payload, boss, made)
            else:
                self.move(shelf, Kind.OPENING, opening, 0, "", boss, at)
        del self.shelves[count:]
        self.gone = range(count + 1, count + count // 100 + 1)

    def win_customers(self) -> None:
        """Half of them are there from the start; the last hundredth has left without an order."""
        self.customers = max(100, self.orders // 20)
        rnd, null, boss = self.random, self.null, self.people[0]
        for pk in range(1, self.customers + self.customers // 100 + 1):
            is_deleted = pk > self.customers
            family = _FAMILIES[int(len(_FAMILIES) * rnd.random() ** 1.5)]
            name = f"{rnd.choice(_TRADES)} {family} {rnd.choice(_PLACES)}"
            if pk % 5:
                root = f"9{pk:07d}0001"
                tax_id = root + taxid.cnpj_check_digits(root)
            else:
                name = f"{name.split(maxsplit=1)[0]} {family} {rnd.choice(_FAMILIES)}"
                root = f"9{pk:08d}"
                tax_id = root + taxid.cpf_check_digits(root)
            made = int(self.joined(pk))
            at = self.at(made)
            self.rows[CUSTOMERS].append(
                (pk, name, tax_id, f"compras{pk}@cliente.example", f"(11) 5550-{pk % 10_000:04d}", address(pk), 1,
                 1 + is_deleted, int(rnd.random() > 0.04), at, at, at if is_deleted else null,
                 null if is_deleted else 1, sorted_as(name))
            )  # fmt: skip
            self.rows[CUSTOMER_WORDS] += [(pk, word) for word in sorted(indexed(name))]
            payload = (
                f'{{"name": "{name}", "is_active": true, "cpf_cnpj": "{taxid.masked(tax_id)}"}}'
            )
            self.event(EventType.CUSTOMER_CREATED, Aggregate.CUSTOMER, pk, 1, payload, boss, made)
            if is_deleted:
                self.event(
                    EventType.CUSTOMER_DELETED, Aggregate.CUSTOMER, pk, 2, payload, boss, made
                )

    def joined(self, pk: int) -> float:
        """Seconds from the beginning; the later half came one after the other."""
        half = self.customers / 2
        if pk <= half:
            return -DAYS * DAY / 3 * (1 - pk / half)
        return self.now * min(1, (pk - half) / half) * 0.999

    def buyer(self, seconds: int) -> int:
        """Who orders at this moment: the oldest customers most, the first of 50,000 about one order in 130."""
        known = self.customers / 2 * (1 + max(0, seconds) / self.now)
        return 1 + int(known * self.random.random() ** 2.2)

    # --- day by day

    def day(self, number: int, orders: int) -> None:
        opens, closes = OPENS, CLOSES
        if number == DAYS:  # today, up to now
            closes = max(1, min(CLOSES, self.now % DAY))
            opens = min(OPENS, closes // 2)
        moments = sorted(
            number * DAY + opens + int((closes - opens) * self.random.random())
            for _ in range(orders)
        )
        for moment in moments:
            self.plan(moment)
        for at, step, _pk, plan in sorted(self.ahead.pop(number, ())):
            if step:
                self.step(plan, step, at)
            else:
                self.place(plan, at)

    def plan(self, at: int) -> None:
        """Choose who orders what, and what becomes of it; write the row as it stands now."""
        rnd, null = self.random, self.null
        self.placed = pk = self.placed + 1
        chosen: dict[int, Shelf] = {}
        count = len(self.shelves)
        for _ in range(LINES[pk % len(LINES)]):
            number = int(count * rnd.random() ** 2)
            while number in chosen:
                number = (number + 1) % count
            chosen[number] = self.shelves[number]
        lines = [(chosen[number], 1 + int(12 * rnd.random() ** 2)) for number in sorted(chosen)]
        total = sum(shelf.price * quantity for shelf, quantity in lines)
        people = self.people
        plan = Plan(pk, self.buyer(at), people[int(len(people) * rnd.random())], total, lines)
        self.plan_steps(plan, at)
        self.ahead[at // DAY].append((at, 0, pk, plan))
        for number, step in enumerate(plan.steps, 1):
            self.ahead[step[0] // DAY].append((step[0], number, pk, plan))
        last = plan.steps[-1] if plan.steps else (at, S.PENDING.value, 0, "")
        is_cancelled = last[1] == S.CANCELLED
        due = self.days[at // DAY + DAYS + rnd.randint(2, 8)] if rnd.random() < 0.8 else null
        key = f"load-{pk}"
        note = rnd.choice(ORDER_NOTES) if rnd.random() < NOTED else ""
        # Two of five orders; numbers that grow, as in a customer's own system.
        reference = f"OC {1000 + pk // 3}/{self.at(at)[:4]}" if pk % 5 < 2 else ""
        wanted = {
            "customer_id": plan.customer, "items": [[shelf.pk, quantity] for shelf, quantity in lines], "notes": note,
            "due_date": due, "customer_reference": reference, "delivery_address": None,
        }  # fmt: skip
        self.rows[ORDERS].append(
            (pk, plan.customer, last[1], cents(total), len(lines), note, due, reference, as_code(reference),
             address(plan.customer), key,
             idempotency.key_hash(plan.author, PLACE, key), idempotency.fingerprint(wanted), 1 + len(plan.steps),
             2 + len(plan.steps) + 2 * is_cancelled + plan.is_deleted, plan.author, self.at(at), self.at(last[0]),
             self.at(last[0]) if plan.is_deleted else null)
        )  # fmt: skip
        self.rows[ITEMS] += [
            (
                item_id(pk, index),
                pk,
                shelf.pk,
                shelf.sku,
                shelf.name,
                quantity,
                cents(shelf.price),
                cents(shelf.price * quantity),
            )
            for index, (shelf, quantity) in enumerate(lines)
        ]
        self.made += 1 + len(lines)

    def plan_steps(self, plan: Plan, at: int) -> None:
        rnd = self.random
        stops = rnd.randrange(4) if rnd.random() < FORGOTTEN else 4
        cancels = rnd.randrange(2) if rnd.random() < CANCELLED else 4
        for number, (status, shortest, longest) in enumerate(STEPS):
            if number == stops:
                return
            at += int(3600 * (shortest + (longest - shortest) * rnd.random()))
            if at >= self.now:
                return
            who = self.people[int(len(self.people) * rnd.random())]
            if number == cancels:
                plan.is_deleted = rnd.random() < DELETED
                plan.steps.append((at, S.CANCELLED.value, who, rnd.choice(CANCELLATIONS)))
                return
            note = rnd.choice(STEP_NOTES[status]) if rnd.random() < NOTED else ""
            plan.steps.append((at, status.value, who, note))

    def move(  # noqa: PLR0917 -- called six million times
        self,
        shelf: Shelf,
        kind: str,
        on_hand: int,
        reserved: int,
        reference: str,
        actor: int,
        at: str,
    ) -> None:
        shelf.on_hand += on_hand
        shelf.reserved += reserved
        reason = Reason.RECEIVED.value if kind == Kind.ADJUSTED else ""
        self.rows[MOVEMENTS].append(
            (shelf.pk, str(kind), on_hand, reserved, shelf.on_hand, shelf.reserved, reason, "", reference, actor, "",
             at, "")
        )  # fmt: skip
        self.made += 1

    def receive(self, shelf: Shelf, seconds: int, at: str) -> None:
        """The lorry comes at the last moment."""
        self.move(shelf, Kind.ADJUSTED, shelf.lot, 0, "", self.people[0], at)
        shelf.events += 1
        payload = (
            f'{{"product_id": {shelf.pk}, "sku": "{shelf.sku}", "reason": "received", "delta": {shelf.lot}, '
            f'"on_hand": {shelf.on_hand}, "reserved": {shelf.reserved}, '
            f'"available": {shelf.on_hand - shelf.reserved}}}'
        )
        self.event(
            EventType.STOCK_ADJUSTED,
            Aggregate.STOCK,
            shelf.pk,
            shelf.events,
            payload,
            self.people[0],
            seconds,
        )

    def place(self, plan: Plan, seconds: int) -> None:
        at, number, author = self.at(seconds), order_number(plan.pk), plan.author
        ran_low = []
        for shelf, quantity in plan.lines:
            if shelf.on_hand - shelf.reserved < quantity:
                self.receive(shelf, seconds, at)
            was_low = shelf.is_low
            self.move(shelf, Kind.RESERVED, 0, quantity, number, author, at)
            if shelf.is_low and not was_low:
                ran_low.append(shelf)
        self.rows[HISTORY].append((plan.pk, 1, self.null, S.PENDING.value, author, "", "", at, ""))
        items = ", ".join(
            f'{{"product_id": {shelf.pk}, "sku": "{shelf.sku}", "quantity": {quantity}, '
            f'"unit_price": "{cents(shelf.price)}", "subtotal": "{cents(shelf.price * quantity)}"}}'
            for shelf, quantity in plan.lines
        )
        payload = (
            f'{{"number": "{number}", "customer_id": {plan.customer}, "status": "pending", '
            f'"total": "{cents(plan.total)}", "items": [{items}]}}'
        )
        self.event(EventType.ORDER_PLACED, Aggregate.ORDER, plan.pk, 1, payload, author, seconds)
        payload = f'{{"number": "{number}", "items": [{pieces(plan)}]}}'
        self.event(EventType.STOCK_RESERVED, Aggregate.ORDER, plan.pk, 2, payload, author, seconds)
        for shelf in ran_low:
            self.run_low(shelf, author, seconds)
        if self.random.random() < NOTED:
            self.rows[NOTES].append((plan.pk, self.random.choice(DESK_NOTES), author, "", at))
        self.made += 3

    def run_low(self, shelf: Shelf, actor: int, seconds: int) -> None:
        shelf.events += 1
        free = shelf.on_hand - shelf.reserved
        payload = (
            f'{{"product_id": {shelf.pk}, "sku": "{shelf.sku}", "available": {free}, '
            f'"threshold": {shelf.threshold}}}'
        )
        uid = self.event(
            EventType.STOCK_LOW, Aggregate.STOCK, shelf.pk, shelf.events, payload, actor, seconds
        )
        self.rows[NOTICES].append((uid, shelf.pk, free, shelf.threshold, self.at(seconds)))

    def step(self, plan: Plan, step: int, seconds: int) -> None:
        at, pk, number = self.at(seconds), plan.pk, order_number(plan.pk)
        _, to, who, note = plan.steps[step - 1]
        was = plan.steps[step - 2][1] if step > 1 else S.PENDING.value
        if to == S.SHIPPED:
            for shelf, quantity in plan.lines:
                self.move(shelf, Kind.SHIPPED, -quantity, -quantity, number, who, at)
        elif to == S.CANCELLED:
            for shelf, quantity in plan.lines:
                self.move(shelf, Kind.RELEASED, 0, -quantity, number, who, at)
        self.rows[HISTORY].append((pk, step + 1, was, to, who, note, "", at, ""))
        payload = f'{{"number": "{number}", "from": "{was}", "to": "{to}", "note": "{note}"}}'
        sequence = step + 2
        self.event(
            EventType.ORDER_STATUS_CHANGED, Aggregate.ORDER, pk, sequence, payload, who, seconds
        )
        self.made += 2
        if to == S.CANCELLED:
            self.event(
                EventType.ORDER_CANCELLED, Aggregate.ORDER, pk, sequence + 1, payload, who, seconds
            )
            payload = f'{{"number": "{number}", "items": [{pieces(plan)}]}}'
            self.event(
                EventType.STOCK_RELEASED, Aggregate.ORDER, pk, sequence + 2, payload, who, seconds
            )
            if plan.is_deleted:
                payload = f'{{"number": "{number}", "status": "cancelled"}}'
                self.event(
                    EventType.ORDER_DELETED,
                    Aggregate.ORDER,
                    pk,
                    sequence + 3,
                    payload,
                    who,
                    seconds,
                )

    def close(self) -> None:
        """The stock as it stands in the end."""
        for shelf in self.shelves:
            row = (shelf.pk, self.warehouse, shelf.pk, shelf.on_hand, shelf.reserved, shelf.events)
            self.rows[LEVELS].append(row)
        self.rows[LEVELS] += [(pk, self.warehouse, pk, 0, 0, 0) for pk in self.gone]


def cents(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02}"


def address(customer: int) -> str:
    return f"{ADDRESSES[customer % len(ADDRESSES)]}, {customer % 2000} - Centro, São Paulo/SP"


def pieces(plan: Plan) -> str:
    return ", ".join(
        f'{{"product_id": {shelf.pk}, "sku": "{shelf.sku}", "quantity": {quantity}}}'
        for shelf, quantity in plan.lines
    )


# --- writing


def fill(orders: int, *, products: int, seed: int, indexes_last: bool = False) -> None:
    """Fill an empty database, all or nothing. There is a customer to every 20 orders, and 100 at least.

    With `indexes_last`, see `_indexes_last`: not inside a transaction, and worth it for a hundred thousand orders.

    Raises:
        NotEmpty: there are orders, products or customers in it, deleted ones included.
    """
    if any(model._base_manager.exists() for model in (Order, Product, Customer)):
        raise NotEmpty
    by_file = _takes_files()
    with ExitStack() as stack:
        if indexes_last and by_file:
            stack.enter_context(_indexes_last())
        # A connection's statements keep one core of MariaDB busy. SQLite has one writer.
        beside = stack.enter_context(_second_connection()) if by_file else None
        stack.enter_context(transaction.atomic())
        stack.enter_context(_unchecked())
        feed, _ = Feed.objects.get_or_create(pk=FEED_ID)
        load = Load(
            orders,
            products=products,
            seed=seed,
            now=clock.now().replace(microsecond=0),
            people=_people(orders),
            position=feed.last_position,
            null="\\N" if by_file else None,
        )
        write = partial(_write, write=_write_file if by_file else _write_rows)
        for batch in _ahead(load.batches()):
            if beside:
                theirs = {table: batch.pop(table) for table in BESIDE if table in batch}
                done = beside.submit(write, theirs)
                write(batch)
                done.result()
            else:
                write(batch)
        feed.last_position = load.position
        feed.save(update_fields=["last_position"])


def _write(batch: Batch, write: Callable[[Table, Sequence[Row]], None]) -> None:
    for table, rows in batch.items():
        if table.by:
            rows.sort(key=itemgetter(table.fields.index(table.by)))
        write(table, rows)


@contextmanager
def _indexes_last() -> Iterator[None]:
    """Take the indexes off the empty tables, and make them again from the full ones.

    That sorts them, where a million orders one by one land all over indexes larger than the database's memory: two
    thirds of the time. It is done whatever happens; a process that is killed leaves a database without indexes.
    """
    dropped, made = _index_changes(_LARGE)
    try:
        _alter(dropped)
        yield
    finally:
        _alter(made)


def _index_changes(tables: Sequence[Table]) -> tuple[dict[Table, str], dict[Table, str]]:
    """What drops the indexes of each table, and what makes them again. MySQL keeps those that foreign keys need."""
    quote = connection.ops.quote_name
    dropped, made = {}, {}
    with connection.cursor() as cursor:
        for table in tables:
            found = connection.introspection.get_constraints(cursor, table.model._meta.db_table)
            needed = {
                each["columns"][0]
                for each in found.values()
                if each["foreign_key"] and not connection.mysql_is_mariadb  # type: ignore[attr-defined]
            }
            indexes = {
                name: each
                for name, each in found.items()
                if each["index"] and not each["primary_key"] and each["columns"][0] not in needed
            }
            dropped[table] = ", ".join(f"DROP INDEX {quote(name)}" for name in indexes)
            made[table] = ", ".join(
                f"ADD {'UNIQUE ' if each['unique'] else ''}INDEX {quote(name)} "
                f"({', '.join(map(quote, each['columns']))})"
                for name, each in indexes.items()
            )
    return dropped, made


def _alter(changes: dict[Table, str]) -> None:
    """Half of the work in a connection of its own, as when the rows are written."""

    def alter(tables: Iterable[Table]) -> None:
        with _unchecked(), connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"ALTER TABLE {table.name} {changes[table]}")

    def alter_and_close(tables: Iterable[Table]) -> None:
        try:
            alter(tables)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as beside:
        theirs = beside.submit(alter_and_close, [each for each in changes if each in BESIDE])
        alter(each for each in changes if each not in BESIDE)
        theirs.result()


@contextmanager
def _second_connection() -> Iterator[ThreadPoolExecutor]:
    """A thread with a transaction of its own, which is committed when everything else is written, or rolled back."""
    both = ExitStack()

    def begin() -> None:
        both.enter_context(transaction.atomic())
        both.enter_context(_unchecked())

    def end(*error: Any) -> None:
        try:
            both.__exit__(*error)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(begin).result()
        try:
            yield thread
        except BaseException as error:
            thread.submit(end, type(error), error, error.__traceback__).result()
            raise
        thread.submit(end, None, None, None).result()


def analyse() -> None:
    """Have the database look at what it holds now, before anybody asks for a plan. InnoDB would do so in a while."""
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE TABLE " + ", ".join(sorted(table.name for table in TABLES)))
            cursor.fetchall()


TABLES: Final = (
    PRODUCTS, LEVELS, CUSTOMERS, PRODUCT_WORDS, CUSTOMER_WORDS, ORDERS, ITEMS, HISTORY, NOTES, MOVEMENTS, EVENTS,
    NOTICES,
)  # fmt: skip
#: Half of the work, and no other table waits for it.
BESIDE: Final = (EVENTS, NOTICES)
#: Those with millions of rows, of a million orders.
_LARGE: Final = (ORDERS, ITEMS, HISTORY, MOVEMENTS, EVENTS)
#: Foreign keys are right by construction, and check_integrity sees the rest.
_CHECKS: Final = "SET unique_checks = {0}, foreign_key_checks = {0}"


@contextmanager
def _unchecked() -> Iterator[None]:
    if connection.vendor != "mysql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(_CHECKS.format(0))
        try:
            yield
        finally:
            cursor.execute(_CHECKS.format(1))


def accept_files() -> None:
    """Let the connection send files (LOAD DATA LOCAL), which is several times faster; it begins anew for that."""
    if connection.vendor == "mysql" and not connection.in_atomic_block:
        connection.settings_dict["OPTIONS"]["local_infile"] = 1
        connection.close()


def _takes_files() -> bool:
    if connection.vendor != "mysql" or not connection.settings_dict["OPTIONS"].get("local_infile"):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@local_infile")
        return bool(cursor.fetchone()[0])


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The next batch is made while the database is busy with this one."""
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, batches, None)
        while batch := coming.result():
            coming = maker.submit(next, batches, None)
            yield batch


def _write_file(table: Table, rows: Sequence[Row]) -> None:
    line = "\t".join(["%s"] * len(table.fields)) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(line % row for row in rows)
        with connection.cursor() as cursor:
            cursor.execute(
                f"LOAD DATA LOCAL INFILE %s INTO TABLE {table.name} CHARACTER SET utf8mb4 ({', '.join(table.columns)})",
                [str(path)],
            )
            # LOCAL means IGNORE: what is refused is left out without a word.
            if cursor.rowcount != len(rows):
                raise RuntimeError(
                    f"{len(rows) - cursor.rowcount} rows of {table.name} were refused"
                )


def _write_rows(table: Table, rows: Sequence[Row]) -> None:
    places = ", ".join(["%s"] * len(table.fields))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({places})",  # noqa: S608 -- our own names
            rows,
        )


def _people(orders: int) -> list[int]:
    """The demo's users, who can sign in, and colleagues, who cannot."""
    for role, email in LOGINS.items():
        if not User.objects.filter(email=email).exists():
            user = User.objects.create_user(email, PASSWORD, role=role, name=f"{role.label} Demo")
            EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    for number in range(30 + orders // 10_000):
        role = Role.OPERATOR if number % 4 else Role.MANAGER
        name = f"{_FAMILIES[number % 40]} {_FAMILIES[number * 7 % 40]} {number}"
        User.objects.create_user(f"pessoa{number}@example.com", None, role=role, name=name)
    able = User.objects.exclude(role=Role.VIEWER).order_by("pk")
    return list(able.values_list("pk", flat=True))
