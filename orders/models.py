"""Orders, their lines, and everything that happened to them."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import ClassVar, Final, NamedTuple, Protocol

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from erp_site.core import clock
from erp_site.core.models import AppendOnly, EventSource, SoftDelete
from erp_site.core.search import LONGEST_WORD

from .states import AMENDABLE, OPEN, OrderStatus, Transition, transitions_from

MOST_ITEMS: Final = 200  # of one order
LARGEST_QUANTITY: Final = 1_000_000  # pieces of one item


class HasPermissions(Protocol):
    def has_perm(self, perm: str, /) -> bool: ...


#: What lists of orders filter by, and sum.
_REST: Final = ("status", "customer", "due_date", "deleted_at", "total")


def _list_index(*fields: str, name: str) -> models.Index:
    return models.Index(fields=list(dict.fromkeys(fields)), name=name)


class Order(EventSource, SoftDelete):
    """A promise of goods to a customer. `services` writes it; the row is also the record of its idempotency key.

    `key_hash` is sha256(actor, operation, key): collations make "ABC" and "abc" one key, a hash never.
    """

    customer = models.ForeignKey(
        "customers.Customer", on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    status = models.CharField(
        _("status"), max_length=16, choices=OrderStatus, default=OrderStatus.PENDING
    )
    total = models.DecimalField(_("total"), max_digits=15, decimal_places=2)
    items_count = models.PositiveIntegerField(_("items"))
    notes = models.TextField(_("notes"), max_length=2000, blank=True)
    due_date = models.DateField(_("due date"), null=True, default=None)
    customer_reference = models.CharField(_("customer reference"), max_length=64, blank=True)
    reference_code = models.CharField(max_length=LONGEST_WORD, blank=True, editable=False)
    """What the customer's reference is found by, see `search.as_code`."""
    delivery_address = models.CharField(_("delivery address"), max_length=500, blank=True)
    idempotency_key = models.CharField(max_length=255, editable=False)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    fingerprint = models.CharField(max_length=64, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    created_at = models.DateTimeField(_("created at"), default=clock.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), default=clock.now, editable=False)

    NUMBER_PREFIX: ClassVar = "PED-"

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=OrderStatus.values), name="order_status_known"
            ),
            models.CheckConstraint(
                condition=Q(total__gte=Decimal("0.01")), name="order_total_positive"
            ),
        ]
        indexes = [
            # Each sorts a list, and carries what lists filter by, count and sum, so that a row is read only to be
            # shown: of a million orders, ten thousand rows of a customer lie in ten thousand places.
            _list_index("created_at", "id", *_REST, "updated_at", name="order_by_created"),
            _list_index("updated_at", "id", *_REST, "created_at", name="order_by_updated"),
            _list_index("status", "created_at", "id", *_REST, name="order_by_status_created"),
            _list_index("status", "updated_at", "id", *_REST, name="order_by_status_updated"),
            _list_index("customer", "created_at", "id", *_REST, name="order_by_customer_created"),
            _list_index("customer", "updated_at", "id", *_REST, name="order_by_customer_updated"),
            _list_index(
                "status", "due_date", "created_at", "id", *_REST, name="order_by_status_due"
            ),
            models.Index(fields=["reference_code", "id"], name="order_by_reference"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """The human number: the id in the desk's clothes."""
        return order_number(self.pk)

    @property
    def status_label(self) -> str:
        """What `get_status_display` says, without looking at all choices for each row of a list."""
        return str(OrderStatus(self.status).label)

    @property
    def is_late(self) -> bool:
        return bool(self.due_date and self.status in OPEN and self.due_date < clock.today())

    def may_be_amended_by(self, user: HasPermissions) -> bool:
        """Whether its state still allows changes, and this user's role them in this state."""
        permission = AMENDABLE.get(OrderStatus(self.status))
        return permission is not None and user.has_perm(permission)

    def actions_for(self, user: HasPermissions) -> dict[OrderStatus, Transition]:
        """What this user may do with the order now."""
        if self.deleted_at:
            return {}
        return {
            to: transition
            for to, transition in transitions_from(self.status).items()
            if user.has_perm(transition.permission)
        }


def order_number(pk: int) -> str:
    """482 -> "PED-000482"."""
    return f"{Order.NUMBER_PREFIX}{pk:06d}"


#: Lines of one order have consecutive ids; more than an order can have.
ITEM_IDS_EACH: Final = 256


def item_id(order_id: int, index: int) -> int:
    """The id of an order's line, counted from 0. Made from the order's: MySQL does not tell the ids of many rows."""
    return order_id * ITEM_IDS_EACH + index


def taken_off(lines: Iterable[tuple[Decimal, Decimal, int]]) -> Decimal:
    """What lines of (the customer's price, the agreed price, pieces) cost less, in reais; raised ones count as 0."""
    return sum((max(Decimal(0), was - now) * pieces for was, now, pieces in lines), Decimal(0))


class OrderItem(models.Model):
    """One line: what is promised, with the names and the price of the moment it was agreed upon.

    Until the order is picked its quantity and price may be amended, and the line taken away: see OrderAmendment.
    """

    id = models.BigIntegerField(primary_key=True, editable=False)
    """See `item_id`."""
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="items", db_index=False)
    product = models.ForeignKey(
        "catalog.Product", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    sku = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)
    subtotal = models.DecimalField(max_digits=15, decimal_places=2)
    list_price = models.DecimalField(max_digits=10, decimal_places=2, null=True, default=None)
    """What the customer pays for it elsewhere, where people agreed upon another price; None where they did not."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "product"], name="order_item_once"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1), name="order_item_quantity_positive"
            ),
        ]
        indexes = [models.Index(fields=["product", "order"], name="order_item_product")]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"


class Done(AppendOnly):
    """Something that somebody did with an order: who, when, in which request."""

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        abstract = True


class OrderHistory(Done):
    """One step in the life of an order; `seq` counts from 1 without gaps."""

    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="history", db_index=False
    )
    seq = models.PositiveIntegerField()
    from_status = models.CharField(max_length=16, choices=OrderStatus, null=True)
    to_status = models.CharField(max_length=16, choices=OrderStatus)
    note = models.CharField(max_length=2000, blank=True)
    key_hash = models.CharField(max_length=64, null=True, unique=True)
    fingerprint = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "seq"], name="order_history_gapless")
        ]

    def __str__(self) -> str:
        return f"{self.order_id}#{self.seq} {self.from_status} -> {self.to_status}"


#: Lines of one amendment that are in sight on the page of its order.
MOST_SHOWN: Final = 10


class Difference(NamedTuple):
    """One thing that an amendment changed; `kind` says what the values are: text, day, money or count."""

    label: str
    kind: str
    was: str | date | Decimal | int | None
    now: str | date | Decimal | int | None


class OrderAmendment(Done):
    """What somebody changed of an order, beside its status; `version` is the order's from then on."""

    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="amendments", db_index=False
    )
    version = models.PositiveIntegerField()
    changes = models.JSONField()
    """{field: [what it was, what it is now]}, as text or null."""
    items = models.JSONField()
    """[{product_id, sku, name, from, to}]: the lines with another quantity (0 is no line, before or after) or another
    price, which is there as {unit_price: [was, now]}: of a new line, where one was agreed upon, from the customer's."""
    reason = models.CharField(max_length=2000, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "version"], name="order_amendment_once")
        ]

    def __str__(self) -> str:
        return f"{self.order_id} v{self.version}"

    @property
    def shown(self) -> list[Difference]:
        """What was changed, for people: the lines first, of many the first few."""
        return self._lines[:MOST_SHOWN] + self._fields

    @property
    def folded(self) -> list[Difference]:
        """The lines beyond: with all of 200 in it, nothing else of a timeline would be found."""
        return self._lines[MOST_SHOWN:]

    @property
    def _lines(self) -> list[Difference]:
        found = []
        for line in self.items:
            label = f"{line['name']} ({line['sku']})"
            if line["from"] != line["to"]:
                found.append(Difference(label, "count", line["from"], line["to"]))
            if prices := line.get("unit_price"):
                was, now = map(Decimal, prices)
                found.append(Difference(f"{label}, {_('price')}", "money", was, now))
        return found

    @property
    def _fields(self) -> list[Difference]:
        found = []
        for name, (was, now) in self.changes.items():
            column = Order._meta.get_field(name)
            kind = {"DateField": "day", "DecimalField": "money"}.get(
                column.get_internal_type(), "text"
            )
            label = capfirst(str(column.verbose_name))  # type: ignore[union-attr]  # a column of ours
            found.append(Difference(label, kind, column.to_python(was), column.to_python(now)))  # type: ignore[union-attr]
        return found


class OrderNote(Done):
    """Something a person wrote on an order."""

    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="note_rows", db_index=False
    )
    text = models.CharField(max_length=2000)
    key_hash = models.CharField(max_length=64, null=True, unique=True)

    class Meta:
        indexes = [models.Index(fields=["order", "id"], name="order_note_by_order")]

    def __str__(self) -> str:
        return self.text[:60]


class SavedView(models.Model):
    """A list of orders somebody looks at often: the filters of an address under a name."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=1000)
    is_shared = models.BooleanField(_("shared with everybody"), default=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_view_name_unique")
        ]
        indexes = [models.Index(fields=["is_shared", "name"], name="saved_view_shared")]

    def __str__(self) -> str:
        return self.name
