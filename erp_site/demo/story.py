"""Ninety days of the demo's distributor, told through the services: every row is as true as a real one.

One thing after another, each at its moment: goods arrive before they are promised, orders move on when people
are at work, and what has not happened yet stays undone. So the newest orders are the ones in early states.
"""

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from accounts.services import bootstrap_admin, create_user, update_me
from catalog.models import StockLevel
from catalog.services import (
    adjust_stock,
    change_prices,
    create_price_list,
    create_product,
    update_product,
)
from customers.services import create_customer, update_customer
from erp_site.core import clock
from erp_site.core.transactions import retrying_atomic
from orders.models import Order
from orders.services import (
    NewItem,
    add_note,
    amend_order,
    change_status,
    delete_order,
    place_order,
)
from orders.states import OrderStatus as S

from . import LOGINS, PASSWORD
from .customers import CUSTOMERS, INACTIVE, DemoCustomer
from .price_lists import PRICE_LISTS
from .products import DISCONTINUED, PRODUCTS, RUNNING_LOW, SOLD_OUT, DemoProduct

DAYS: Final = 90
ORDERS: Final = 320
SEED: Final = 2026

PEOPLE: Final = {
    Role.ADMIN: "Ana Ribeiro",
    Role.MANAGER: "Marcos Teixeira",
    Role.OPERATOR: "Olívia Santos",
    Role.VIEWER: "Vítor Nogueira",
}
#: How much off a price they may agree upon by themselves, in percent.
LIMITS: Final = {Role.OPERATOR: Decimal(5)}
#: How busy the desk is, Monday to Sunday.
WEEK: Final = (13, 12, 10, 10, 9, 3, 0)
OPENS, CLOSES = time(8), time(18)
#: The way of an order, and the working hours (shortest, longest) that each step takes.
STEPS: Final = (
    (S.CONFIRMED, 0.5, 9),
    (S.PICKED, 1, 12),
    (S.SHIPPED, 1, 12),
    (S.DELIVERED, 8, 40),
)

#: Orders younger than this may be waiting still.
STICKY: Final = timedelta(days=9)

ORDER_NOTES: Final = (
    "Entregar pela doca 2, das 8h às 11h.",
    "Ligar antes de entregar.",
    "Portaria fecha às 17h.",
    "Não entregar na quinta-feira: feira livre na rua.",
    "Conferir validade na entrega, por favor.",
    "Boleto para 28 dias, conforme combinado.",
    "Entregar junto com o pedido anterior, se possível.",
)
DESK_NOTES: Final = (
    "Cliente pediu para antecipar a entrega; falei com a expedição.",
    "Separado em dois paletes.",
    "Transportadora avisou atraso de um dia.",
    "Comprador confirmou por telefone.",
    "Nota fiscal enviada por e-mail.",
    "Faltou uma caixa na conferência; já corrigido.",
)
STEP_NOTES: Final = {
    S.CONFIRMED: (
        "Crédito aprovado.",
        "Confirmado por telefone.",
        "Pagamento antecipado recebido.",
    ),
    S.PICKED: ("Conferido por duas pessoas.", "Separado no box 4."),
    S.SHIPPED: ("Saiu com a Transportes Ligeirinho.", "Carro próprio, rota sul.", "Rota da tarde."),
    S.DELIVERED: (
        "Recebido por Cláudio, da portaria.",
        "Canhoto assinado.",
        "Entregue sem ressalvas.",
    ),
}
AMENDMENTS: Final = (
    "Cliente ligou: mudou a quantidade.",
    "Comprador corrigiu o pedido por e-mail.",
    "Combinado com o vendedor.",
)
CANCELLATIONS: Final = (
    "Cliente desistiu da compra.",
    "Pedido lançado em duplicidade.",
    "Cliente vai refazer com outros itens.",
    "Sem limite de crédito no momento.",
    "Prazo de entrega não atende.",
    "Fechado para reforma até o mês que vem.",
)

type Act = Callable[[], object]


@dataclass(slots=True)
class Shelf:
    """What the story knows of a product: enough to promise only what is there."""

    demo: DemoProduct
    pk: int
    available: int
    #: Neither bought nor sold from here on.
    closed_from: datetime | None = None

    def is_open(self, moment: datetime) -> bool:
        return self.closed_from is None or moment < self.closed_from

    @property
    def lot(self) -> int:
        """What the supplier brings at once."""
        return self.demo.usual * (4 + 2 * self.demo.popular)

    @property
    def is_wanted(self) -> bool:
        return self.available < (self.demo.low_stock_threshold or 0) + self.demo.usual * 3


class Story:
    """The people, the goods, the customers, and a queue of what happens when."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.today = timezone.localdate(now)
        # The same story each time, moved to the day it is told.
        self.random = random.Random(SEED)  # noqa: S311 -- a story, not a secret
        # What was added to the story later, so that the rest of it stays as it was.
        self.calls = random.Random(SEED + 1)  # noqa: S311 -- the same
        self.queue: list[tuple[datetime, int, Act]] = []
        self.scheduled = 0
        self.shelves: list[Shelf] = []
        self.customers: list[tuple[int, DemoCustomer]] = []
        self.price_lists: dict[str, int] = {}  # by the names of those who buy by them
        self.recent = 0

    def tell(self) -> None:
        """All of it, in the order of time."""
        start = self.at(self.today - timedelta(days=DAYS + 7), time(8, 30))
        with clock.moved_to(start):
            self.admin, self.manager, self.operator = self.hire()
        self.fill_shelves(start + timedelta(hours=1))
        self.set_prices(start + timedelta(hours=5))
        self.win_customers(start + timedelta(days=1))
        self.plan()
        while self.queue:
            moment, _, act = heapq.heappop(self.queue)
            with clock.moved_to(moment):
                act()

    # --- time

    def at(self, day: date, moment: time) -> datetime:
        return timezone.make_aware(datetime.combine(day, moment))

    def at_work(self, moment: datetime) -> datetime:
        """This moment, or the next one at which somebody is at the desk (Monday to Saturday)."""
        local = timezone.localtime(moment)
        while WEEK[local.weekday()] == 0 or not OPENS <= local.time() < CLOSES:
            next_day = local.date() if local.time() < OPENS else local.date() + timedelta(days=1)
            minute = self.random.randrange(0, 50)
            local = timezone.localtime(self.at(next_day, OPENS.replace(minute=minute)))
        return local

    def working_hours_after(self, moment: datetime, hours: float) -> datetime:
        """So many hours later, nights and Sundays not counted."""
        left = timedelta(hours=hours)
        local = timezone.localtime(self.at_work(moment))
        while left > (rest := self.at(local.date(), CLOSES) - local):
            left -= rest
            local = timezone.localtime(self.at_work(self.at(local.date(), CLOSES)))
        return self.at_work(local + left)

    def later(self, moment: datetime, act: Act) -> None:
        """Do this at that moment, unless it is still to come."""
        if moment < self.now:
            self.scheduled += 1
            heapq.heappush(self.queue, (moment, self.scheduled, act))

    def sometimes(self, share: float) -> bool:
        return self.random.random() < share

    # --- the beginning

    def hire(self) -> tuple[User, User, User]:
        """The demo's users, each made once; an administrator who is there already stays."""
        boss = bootstrap_admin(email=LOGINS[Role.ADMIN], password=PASSWORD)
        if boss:
            update_me(actor=boss, name=PEOPLE[Role.ADMIN])
        else:
            boss = User.objects.filter(role=Role.ADMIN, is_active=True).earliest("pk")
        users: dict[Role, User] = {}
        for role, email in LOGINS.items():
            users[role] = User.objects.filter(email=email).first() or create_user(
                actor=boss,
                email=email,
                name=PEOPLE[role],
                role=role,
                password=PASSWORD,
                discount_limit=LIMITS.get(role),
            )
        return users[Role.ADMIN], users[Role.MANAGER], users[Role.OPERATOR]

    def fill_shelves(self, start: datetime) -> None:
        for number, demo in enumerate(PRODUCTS):
            opening = demo.usual * (5 + 2 * demo.popular)
            with clock.moved_to(start + timedelta(minutes=2 * number)):
                product = create_product(
                    actor=self.manager,
                    sku=demo.sku,
                    name=demo.name,
                    price=demo.price,
                    gtin=demo.gtin,
                    description=demo.description,
                    low_stock_threshold=demo.low_stock_threshold,
                    on_hand=opening,
                )
            self.shelves.append(Shelf(demo, product.pk, opening))

    def set_prices(self, start: datetime) -> None:
        products = {shelf.demo.sku: shelf.pk for shelf in self.shelves}
        for number, demo in enumerate(PRICE_LISTS):
            with clock.moved_to(start + timedelta(minutes=20 * number)):
                price_list = create_price_list(
                    actor=self.manager, name=demo.name, discount=demo.discount
                )
            with clock.moved_to(start + timedelta(minutes=20 * number + 8)):
                prices = {products[sku]: price for sku, price in demo.prices.items()}
                change_prices(actor=self.manager, price_list_id=price_list.pk, prices=prices)
            self.price_lists |= dict.fromkeys(demo.customers, price_list.pk)

    def win_customers(self, start: datetime) -> None:
        """Most are there from the start; some came during these weeks."""
        for number, demo in enumerate(CUSTOMERS):
            if number % 6 == 5:
                day = self.today - timedelta(days=DAYS - 12 * (number // 6))
                joined = self.at_work(self.at(day, time(9, number % 60)))
            else:
                joined = start + timedelta(minutes=7 * number)
            self.later(joined, self.joining(demo))

    def joining(self, demo: DemoCustomer) -> Act:
        def act() -> None:
            customer = create_customer(
                actor=self.manager,
                name=demo.name,
                cpf_cnpj=demo.cpf_cnpj,
                email=demo.email,
                phone=demo.phone,
                address=demo.address,
                price_list_id=self.price_lists.get(demo.name),
            )
            self.customers.append((customer.pk, demo))

        return act

    # --- what happens in these weeks

    def plan(self) -> None:
        days = [self.today - timedelta(days=back) for back in range(DAYS, -1, -1)]
        for day in days:
            if day.weekday() in {0, 3}:
                self.later(self.at(day, time(7, 10)), self.receive_goods)
        # More each week: business is good.
        weights = [WEEK[day.weekday()] * (1 + n / DAYS) for n, day in enumerate(days)]
        for day in sorted(self.random.choices(days, weights, k=ORDERS)):
            hour = self.random.triangular(8, 17.9, 10.5)
            moment = self.at(day, time(int(hour), int(hour % 1 * 60), self.random.randrange(60)))
            self.later(moment, self.receive_order)
        self.plan_shelves()
        self.later(self.working_day_before(40), self.raise_coffee_price)
        self.later(self.working_day_before(25), self.lose_customer)
        for back in (75, 46, 18):
            self.later(self.working_day_before(back), self.count_shelves)
            self.later(self.working_day_before(back + 9), self.break_something)

    def working_day_before(self, days: int) -> datetime:
        return self.at_work(self.at(self.today - timedelta(days=days), time(14, 20)))

    def plan_shelves(self) -> None:
        """Some goods are no longer sold, some have run out and some nearly have."""
        for shelf in self.shelves:
            back = self.random.randint(2, 6)
            if shelf.demo.sku in DISCONTINUED:
                shelf.closed_from = self.working_day_before(30 + back)
                self.later(shelf.closed_from, self.discontinuing(shelf))
            elif shelf.demo.sku in SOLD_OUT | RUNNING_LOW:
                left = 0
                if shelf.demo.sku in RUNNING_LOW:
                    left = self.random.randint(1, shelf.demo.low_stock_threshold or 1)
                shelf.closed_from = self.working_day_before(back)
                self.later(shelf.closed_from, self.spoiling(shelf, left))

    def discontinuing(self, shelf: Shelf) -> Act:
        return lambda: update_product(actor=self.manager, product_id=shelf.pk, is_active=False)

    def spoiling(self, shelf: Shelf, left: int) -> Act:
        def act() -> None:
            gone = shelf.available - left
            if gone > 0:
                note = (
                    "Lote vencido, descartado com laudo."
                    if left
                    else "Lote recolhido pelo fabricante."
                )
                self.adjust(shelf, -gone, "damaged", note)

        return act

    def raise_coffee_price(self) -> None:
        for shelf in self.shelves:
            if shelf.demo.name.startswith("Café"):
                price = (shelf.demo.price * Decimal("1.08")).quantize(Decimal("0.1"))
                update_product(actor=self.admin, product_id=shelf.pk, price=price)

    def lose_customer(self) -> None:
        for pk, demo in list(self.customers):
            if demo.name in INACTIVE:
                update_customer(actor=self.manager, customer_id=pk, is_active=False)
                self.customers.remove((pk, demo))

    # --- stock

    def adjust(self, shelf: Shelf, delta: int, reason: str, note: str) -> None:
        adjust_stock(actor=self.manager, product_id=shelf.pk, delta=delta, reason=reason, note=note)
        shelf.available += delta

    def receive_goods(self) -> None:
        """The lorry: what has become scarce since the last one."""
        invoice = self.random.randint(10_000, 99_999)
        for shelf in self.shelves:
            if shelf.is_wanted and shelf.is_open(clock.now() + timedelta(days=7)):
                self.adjust(shelf, shelf.lot, "received", f"NF {invoice}")

    def break_something(self) -> None:
        shelf = self.any_shelf()
        self.adjust(shelf, -self.random.randint(1, 3), "damaged", "Avaria na movimentação.")

    def count_shelves(self) -> None:
        """An inventory of a few shelves, against the figure on the sheet."""
        for _ in range(5):
            shelf = self.any_shelf()
            found = self.random.choice((-2, -1, -1, 1))
            on_hand = StockLevel.objects.get(product_id=shelf.pk).on_hand
            adjust_stock(
                actor=self.manager,
                product_id=shelf.pk,
                on_hand=on_hand + found,
                expected_on_hand=on_hand,
                reason="counted",
                note="Inventário rotativo.",
            )
            shelf.available += found

    def any_shelf(self) -> Shelf:
        return self.random.choice(
            [it for it in self.shelves if it.available > 10 and it.is_open(clock.now())]
        )

    # --- orders

    def receive_order(self) -> None:
        [(customer_id, customer)] = self.random.choices(
            self.customers, [demo.size for _, demo in self.customers]
        )
        lines = list(self.basket(customer))
        if not lines:
            return
        now = clock.now()
        due = None
        if self.sometimes(0.85):
            due = timezone.localdate(
                self.working_hours_after(now, self.random.choice((30, 40, 50, 80)))
            )
        order = place_order(
            actor=self.random.choices((self.operator, self.manager, self.admin), (8, 3, 1))[0],
            customer_id=customer_id,
            items=[NewItem(shelf.pk, quantity) for shelf, quantity in lines],
            idempotency_key=str(UUID(int=self.random.getrandbits(128), version=4)),
            notes=self.random.choice(ORDER_NOTES) if self.sometimes(0.25) else "",
            due_date=due,
            customer_reference=self.reference(customer),
            delivery_address="Retira no balcão" if self.sometimes(0.04) else None,
        ).order
        for shelf, quantity in lines:
            shelf.available -= quantity
        self.follow(order, lines)

    def basket(self, customer: DemoCustomer) -> Iterator[tuple[Shelf, int]]:
        """What they want, as far as it is there: a big customer wants more of more things."""
        now = clock.now()
        wanted = min(12, 1 + int(self.random.triangular(0, 3 + customer.size, 2)))
        weights = [shelf.demo.popular if shelf.is_open(now) else 0 for shelf in self.shelves]
        chosen = {id(it): it for it in self.random.choices(self.shelves, weights, k=wanted)}
        for shelf in chosen.values():
            share = self.random.choice((0.5, 0.5, 1, 1, 1, 1.5, 2)) * (0.3 + customer.size / 10)
            quantity = min(max(1, round(shelf.demo.usual * share)), shelf.available)
            if quantity > 0:
                yield shelf, quantity

    def reference(self, customer: DemoCustomer) -> str:
        """Their own order number, if they keep one."""
        if not customer.is_company or customer.size < 4 or self.sometimes(0.3):
            return ""
        return f"OC {self.random.randint(100, 9999)}/{clock.today().year}"

    def follow(self, order: Order, lines: list[tuple[Shelf, int]]) -> None:
        """Schedule what becomes of the order."""
        moment = clock.now()
        if self.sometimes(0.12):
            self.later(
                self.working_hours_after(moment, self.random.uniform(0.5, 3)), self.noting(order)
            )
        if self.calls.random() < 0.08:
            before_it_is_confirmed = self.working_hours_after(moment, self.calls.uniform(0.1, 0.4))
            self.later(before_it_is_confirmed, self.amending(order, lines))
        stuck_at = None
        if moment > self.now - STICKY:
            self.recent += 1
            # Each third of the newest waits at a desk, at one after the other: there is work at all of them.
            stuck_at = self.recent // 3 % len(STEPS) if self.recent % 3 == 0 else None
        cancelled_at = self.random.choice((0, 0, 1)) if self.sometimes(0.09) else None
        for number, (status, shortest, longest) in enumerate(STEPS):
            if number == stuck_at:
                return
            hours = self.random.uniform(shortest, longest)
            # Things go wrong: a pallet is missing, a lorry breaks down, nobody is at home.
            if self.sometimes(0.05):
                hours += self.random.uniform(20, 90)
            moment = self.working_hours_after(moment, hours)
            if number == cancelled_at:
                self.later(moment, self.cancelling(order, lines))
                return
            self.later(moment, self.moving(order, status))

    def moving(self, order: Order, to: S) -> Act:
        note = self.random.choice(STEP_NOTES[to]) if self.sometimes(0.2) else ""
        actor = self.random.choices((self.operator, self.manager), (5, 1))[0]
        return lambda: change_status(actor=actor, order_id=order.pk, to=to, note=note)

    def amending(self, order: Order, lines: list[tuple[Shelf, int]]) -> Act:
        """The customer calls again: less of something, or more."""

        def act() -> None:
            index = self.calls.randrange(len(lines))
            shelf, quantity = lines[index]
            wanted = max(1, round(quantity * self.calls.choice((0.5, 0.75, 1.5, 2))))
            wanted = min(wanted, quantity + shelf.available)
            if wanted == quantity or not shelf.is_open(clock.now()):
                return
            lines[index] = shelf, wanted
            shelf.available -= wanted - quantity
            amend_order(
                actor=self.operator,
                order_id=order.pk,
                items=[NewItem(it.pk, number) for it, number in lines],
                reason=self.calls.choice(AMENDMENTS),
            )

        return act

    def noting(self, order: Order) -> Act:
        text = self.random.choice(DESK_NOTES)
        return lambda: add_note(actor=self.operator, order_id=order.pk, text=text)

    def cancelling(self, order: Order, lines: list[tuple[Shelf, int]]) -> Act:
        def act() -> None:
            reason = self.random.choice(CANCELLATIONS)
            actor = self.random.choice((self.manager, self.manager, self.admin))
            if "duplicidade" in reason:
                delete_order(actor=actor, order_id=order.pk, note=reason)
            else:
                change_status(actor=actor, order_id=order.pk, to=S.CANCELLED, note=reason)
            for shelf, quantity in lines:
                shelf.available += quantity

        return act


@retrying_atomic
def tell() -> bool:
    """Fill an empty database, all or nothing. False if there is something in it already."""
    if Order.all_objects.exists():
        return False
    Story(clock.now()).tell()
    return True
