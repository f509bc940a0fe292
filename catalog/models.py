"""What is sold and for how much, how much of it there is, and the ledger that says why."""

from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from erp_site.core import clock
from erp_site.core.models import AppendOnly, EventSource, Named, UniqueAlive
from erp_site.core.money import CENT, discounted
from erp_site.core.search import SearchWord

LARGEST_STOCK: Final = 1_000_000_000_000  # pieces in one place
LARGEST_THRESHOLD: Final = 2**31 - 1  # pieces; what the column holds
LONGEST_DESCRIPTION: Final = 5000  # characters
MOST_PRICES: Final = 200  # of a list, changed at once by name, and told by one event
LEAST_PERCENT: Final = Decimal("-99.99")
MOST_PERCENT: Final = Decimal("999.99")


class Product(Named, EventSource, UniqueAlive):
    """A thing that is sold. Its stock is a table of its own: a busy stock row must not block readers of the name."""

    sku = models.CharField("SKU", max_length=64)
    gtin = models.CharField("GTIN", max_length=14, blank=True)
    description = models.TextField(_("description"), max_length=LONGEST_DESCRIPTION, blank=True)
    price = models.DecimalField(_("price"), max_digits=10, decimal_places=2)
    is_active = models.BooleanField(_("active"), default=True)
    low_stock_threshold = models.PositiveIntegerField(
        _("low stock threshold"), null=True, blank=True, default=None
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), default=clock.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [
            models.UniqueConstraint(fields=["sku", "live"], name="product_sku_unique"),
            UniqueAlive.live_constraint("product_live_marker"),
            models.CheckConstraint(condition=Q(price__gte=CENT), name="product_price_positive"),
            models.CheckConstraint(
                condition=~Q(sku="") & ~Q(name=""), name="product_sku_and_name_given"
            ),
        ]
        indexes = [
            # Each with what lists filter by, so that a row is read only to be shown.
            models.Index(
                fields=[
                    "sorted_name",
                    "id",
                    "is_active",
                    "price",
                    "low_stock_threshold",
                    "deleted_at",
                ],
                name="product_by_name",
            ),
            models.Index(
                fields=["is_active", "sorted_name", "id", "deleted_at"], name="product_by_active"
            ),
            models.Index(
                fields=["price", "id", "is_active", "deleted_at"], name="product_by_price"
            ),
            models.Index(fields=["sku", "id", "is_active", "deleted_at"], name="product_by_sku"),
            models.Index(fields=["gtin"], name="product_by_gtin"),
            models.Index(
                fields=["created_at", "id", "is_active", "deleted_at"], name="product_by_created"
            ),
            models.Index(
                fields=["updated_at", "id", "is_active", "deleted_at"], name="product_by_updated"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"


class ProductWord(SearchWord):
    """The words a product is found by: those of the SKU, the GTIN and the name."""

    owner = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="words", db_index=True
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["word", "owner"], name="product_word_unique"),
        ]


class PriceList(Named, EventSource, UniqueAlive):
    """What some customers pay in place of the ordinary prices: its own price for some products, a discount on the rest.

    Names are unique among the living in any case and accents, as people read them: by `sorted_name`.
    """

    discount = models.DecimalField(
        _("discount"), max_digits=4, decimal_places=2, default=Decimal(0)
    )
    """In percent of the ordinary price."""
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), default=clock.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("price list")
        verbose_name_plural = _("price lists")
        constraints = [
            models.UniqueConstraint(fields=["sorted_name", "live"], name="price_list_name_unique"),
            UniqueAlive.live_constraint("price_list_live_marker"),
            models.CheckConstraint(condition=~Q(name=""), name="price_list_name_given"),
            models.CheckConstraint(
                condition=Q(discount__gte=0, discount__lt=100), name="price_list_discount_possible"
            ),
        ]


class ListedPrice(models.Model):
    """What a piece of a product costs those who buy by this price list."""

    price_list = models.ForeignKey(
        PriceList, on_delete=models.PROTECT, related_name="prices", db_index=False
    )
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="listed_prices")
    price = models.DecimalField(_("price"), max_digits=10, decimal_places=2)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["price_list", "product"], name="listed_price_unique"),
            models.CheckConstraint(condition=Q(price__gte=CENT), name="listed_price_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.price}"


def price_for(price: Decimal, listed: Decimal | None, discount: Decimal | None) -> Decimal:
    """What a piece costs a customer, in reais. The one place that computes it.

    Args:
        price: the product's ordinary price.
        listed: its own price on the customer's list; None if it has none there.
        discount: what that list takes off all others, in percent; None if the customer has no list.
    """
    if listed is not None:
        return listed
    return discounted(price, discount) if discount else price


class Repricing(AppendOnly):
    """All prices of a list raised or lowered at once: the record of its key, and what undoing it goes by.

    What became of each price is in the events of the list that it wrote, the last of which is `last_event`.
    """

    price_list = models.ForeignKey(
        PriceList, on_delete=models.PROTECT, related_name="repricings", db_index=False
    )
    percent = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    """None: it is the undoing of another."""
    undoes = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="undone_by"
    )
    prices = models.PositiveIntegerField()
    """How many it changed."""
    events = models.PositiveIntegerField()
    last_event = models.PositiveIntegerField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField()
    key_hash = models.CharField(max_length=64, null=True, unique=True)
    fingerprint = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["price_list", "id"], name="repricing_of_list")]
        constraints = [
            models.CheckConstraint(
                condition=Q(percent__isnull=True, undoes__isnull=False)
                | Q(percent__isnull=False, undoes__isnull=True),
                name="repricing_or_its_undoing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.price_list_id}: {self.percent}"


class Warehouse(models.Model):
    """A place that holds stock. One is made by migrations; the pages hide it while it is alone."""

    code = models.CharField(_("code"), max_length=16, unique=True)
    name = models.CharField(_("name"), max_length=255)
    is_default = models.BooleanField(null=True, default=None, unique=True)

    class Meta:
        verbose_name = _("warehouse")
        verbose_name_plural = _("warehouses")
        constraints = [
            models.CheckConstraint(
                condition=Q(is_default__isnull=True) | Q(is_default__isnull=False, is_default=True),
                name="warehouse_default_is_true_or_null",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class StockLevel(EventSource):
    """How much of a product one warehouse holds. Written by `services.move_stock` and nobody else."""

    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT, related_name="levels")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="levels")
    on_hand = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["warehouse", "product"], name="stock_level_unique"),
            models.CheckConstraint(condition=Q(on_hand__gte=0), name="stock_on_hand_not_negative"),
            models.CheckConstraint(
                condition=Q(reserved__gte=0), name="stock_reserved_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(reserved__lte=F("on_hand")), name="stock_reserved_is_on_hand"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.on_hand} on hand, {self.reserved} reserved"

    @property
    def available(self) -> int:
        return available(self.on_hand, self.reserved)


def available(on_hand: int, reserved: int) -> int:
    """What can still be promised. The one place that computes it."""
    return on_hand - reserved


def is_low(on_hand: int, reserved: int, threshold: int | None) -> bool:
    """Is it time to buy? At the threshold or below it; a product without a threshold is never low."""
    return threshold is not None and available(on_hand, reserved) <= threshold


class StockMovement(AppendOnly):
    """One line of the stock ledger: the change, both balances after it, and why."""

    class Kind(models.TextChoices):
        OPENING = "opening", _("Opening stock")
        ADJUSTED = "adjusted", _("Adjusted")
        RESERVED = "reserved", _("Reserved")
        RELEASED = "released", _("Released")
        SHIPPED = "shipped", _("Shipped")

    class Reason(models.TextChoices):
        RECEIVED = "received", _("Received")
        DAMAGED = "damaged", _("Damaged")
        LOST = "lost", _("Lost")
        FOUND = "found", _("Found")
        COUNTED = "counted", _("Counted")
        RETURNED = "returned", _("Returned")
        OTHER = "other", _("Other")

    level = models.ForeignKey(
        StockLevel, on_delete=models.PROTECT, related_name="movements", db_index=False
    )
    kind = models.CharField(max_length=16, choices=Kind)
    delta_on_hand = models.BigIntegerField()
    delta_reserved = models.BigIntegerField()
    on_hand_after = models.BigIntegerField()
    reserved_after = models.BigIntegerField()
    reason = models.CharField(max_length=16, choices=Reason, blank=True)
    note = models.CharField(max_length=500, blank=True)
    reference = models.CharField(max_length=64, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    key_hash = models.CharField(max_length=64, null=True, unique=True)
    fingerprint = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["level", "id", "kind"], name="movement_of_level"),
            models.Index(fields=["reference"], name="movement_by_reference"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    on_hand_after__gte=0,
                    reserved_after__gte=0,
                    reserved_after__lte=F("on_hand_after"),
                ),
                name="movement_balances_possible",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.delta_on_hand:+}/{self.delta_reserved:+}"


class LowStockNotice(models.Model):
    """What people see when a product runs low: made by the event's consumer, once for each event."""

    event_uid = models.UUIDField(unique=True)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="low_stock_notices")
    available = models.BigIntegerField()
    threshold = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["created_at", "id"], name="low_stock_notice_by_time")]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.available} left, threshold {self.threshold}"
