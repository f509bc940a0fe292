"""Stock: the one writer of levels and ledger, used by orders and by people who count."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _

from accounts.roles import Permission
from catalog.models import (
    LARGEST_STOCK,
    Product,
    StockLevel,
    StockMovement,
    Warehouse,
    available,
    is_low,
)
from catalog.queries import find_by_codes, shared_by
from catalog.signals import stock_adjusted
from erp_site.core import clock, idempotency, request_id
from erp_site.core.errors import Conflict, Denied, IdempotencyKeyReused, Invalid, NotFound
from erp_site.core.fields import grouped
from erp_site.core.statements import Assign, Insert, Query, Statement
from erp_site.core.transactions import retrying_atomic
from erp_site.core.validation import field_errors, refuse

if TYPE_CHECKING:
    from accounts.models import User

Kind, Reason = StockMovement.Kind, StockMovement.Reason

ADJUST: Final = "stock.adjust"


class InsufficientStock(Conflict):
    """Less is available than asked for; `items` lists every short product."""

    code = "insufficient_stock"
    title = "Insufficient stock"


class StockChanged(Conflict):
    """A count was made against another figure than the present one, which is `on_hand`."""

    code = "stock_changed"
    title = "Stock changed meanwhile"


class Line(NamedTuple):
    """A product as seen without a lock: enough to price it and to name its stock level."""

    level_id: int
    product_id: int
    sku: str
    name: str


class Delta(NamedTuple):
    """What to do to one level."""

    line: Line
    on_hand: int = 0
    reserved: int = 0


class StockChange(NamedTuple):
    """What was done to one level: both balances before and after, and the thresholds they were measured by."""

    line: Line
    on_hand_before: int
    reserved_before: int
    on_hand_after: int
    reserved_after: int
    event_seq: int
    """The level's event counter before this change."""
    threshold_before: int | None
    threshold_after: int | None

    @property
    def became_low(self) -> bool:
        """By less stock or by a higher threshold: once on the way down, and not again while it is low."""
        return is_low(self.on_hand_after, self.reserved_after, self.threshold_after) and not is_low(
            self.on_hand_before, self.reserved_before, self.threshold_before
        )


def move_stock(
    *,
    actor: "User | None",
    kind: StockMovement.Kind,
    deltas: Iterable[Delta],
    reason: str = "",
    note: str = "",
    reference: str = "",
    events_each: int = 0,
    key_hash: str | None = None,
    fingerprint: str = "",
    locked: Sequence[Sequence[int]] | None = None,
) -> list[StockChange]:
    """Change many levels at once, all or nothing, and write the ledger. Three statements, whatever the number.

    Runs inside the caller's transaction. `events_each` is how many events the caller records on each level's
    sequence besides stock.low, which is counted here. `locked` is the answer of `locking`, where this transaction has
    asked already.

    Raises:
        InsufficientStock: with every product whose available would become negative.
        Invalid: a level would exceed the largest quantity that is kept.
    """
    by_level = {delta.line.level_id: delta for delta in deltas}
    levels = locking(by_level).run() if locked is None else locked
    changes: list[StockChange] = []
    short: list[dict[str, Any]] = []
    for pk, on_hand, reserved, event_seq, threshold in levels:
        delta = by_level[pk]
        change = StockChange(
            delta.line,
            on_hand,
            reserved,
            on_hand + delta.on_hand,
            reserved + delta.reserved,
            event_seq,
            threshold,
            threshold,
        )
        if available(change.on_hand_after, change.reserved_after) < 0:
            short.append(
                shortage(
                    delta.line,
                    requested=delta.reserved - delta.on_hand,
                    available=available(on_hand, reserved),
                )
            )
        if change.on_hand_after > LARGEST_STOCK:
            raise Invalid.field("/delta", "too_much_stock", _("More stock than can be kept."))
        changes.append(change)
    if short:
        if kind == Kind.ADJUSTED:
            raise _held_by_orders(changes[0], short)
        raise insufficient(short)
    _write_levels(changes, events_each)
    _write_ledger(
        changes, actor=actor, kind=kind, reason=reason, note=note, reference=reference,
        key_hash=key_hash, fingerprint=fingerprint,
    )  # fmt: skip
    return changes


def locking(level_ids: Iterable[int]) -> Statement[list[Any]]:
    """The statement that locks these levels until the transaction ends, and answers their balances and thresholds."""
    # Without this lock two orders both see the last unit. By primary key and in its order, so that two orders
    # over the same products queue instead of deadlocking.
    return _levels_to_change.of(*sorted(level_ids))


def locked_levels(product_id: int) -> list[StockLevel]:
    """All levels of a product, held until the transaction ends. Before its product, everywhere."""
    return list(StockLevel.objects.select_for_update().filter(product_id=product_id).order_by("pk"))


def measure_again(
    product: Product, levels: Iterable[StockLevel], *, before: int | None
) -> list[StockChange]:
    """What the product's threshold, which was `before`, makes of its levels without a movement.

    They are locked; those that have become low get their stock.low counted here, as by `move_stock`.
    """
    changes = [
        StockChange(
            Line(level.pk, product.pk, product.sku, product.name),
            level.on_hand,
            level.reserved,
            level.on_hand,
            level.reserved,
            level.event_seq,
            before,
            product.low_stock_threshold,
        )
        for level in levels
    ]
    _write_levels(changes, events_each=0)
    return changes


def shortage(line: Line, *, requested: int, available: int) -> dict[str, Any]:
    """One line of a 409 or of a dry run."""
    return {
        "product_id": line.product_id,
        "sku": line.sku,
        "requested": requested,
        "available": available,
    }


def insufficient(short: Sequence[dict[str, Any]]) -> InsufficientStock:
    """The refusal, with a sentence that names every short product."""
    named = ", ".join(
        _("%(sku)s: %(requested)s requested, %(available)s available")
        % {
            name: grouped(value) if isinstance(value, int) else value
            for name, value in item.items()
        }
        for item in short
    )
    return InsufficientStock(
        _("Not enough stock. %(items)s.") % {"items": named}, items=list(short)
    )


def _held_by_orders(change: StockChange, short: Sequence[dict[str, Any]]) -> InsufficientStock:
    """The refusal of an adjustment, which is of one product: who counts has asked for nothing."""
    return InsufficientStock(
        _("%(sku)s: %(on_hand)s would be on hand, and orders hold %(reserved)s.")
        % {
            "sku": change.line.sku,
            "on_hand": grouped(change.on_hand_after),
            "reserved": grouped(change.reserved_after),
        },
        items=list(short),
    )


# The threshold as it is under the level's lock, which who changes it holds too: with one read before, a product whose
# threshold was raised meanwhile became low without a word. Locked by itself, since a subquery may else see what
# was there before the wait; and a subquery, since a join would let the planner lock products first.
_threshold: Final = (
    Product.all_objects.select_for_update()
    .filter(pk=OuterRef("product_id"))
    .values("low_stock_threshold")
)
_levels_to_change: Final = Query(
    lambda *pks: (
        StockLevel.objects.select_for_update()
        .filter(pk__in=pks)
        .order_by("pk")
        .values_list("pk", "on_hand", "reserved", "event_seq", Subquery(_threshold))
    )
)
_assign_levels: Final = Assign(StockLevel)
_MOVEMENT: Final = (
    "level_id", "kind", "delta_on_hand", "delta_reserved", "on_hand_after", "reserved_after", "reason", "note",
    "reference", "actor_id", "request_id", "created_at", "key_hash", "fingerprint",
)  # fmt: skip
_insert_movements: Final = Insert(StockMovement, *_MOVEMENT)


def _write_levels(changes: Sequence[StockChange], events_each: int) -> None:
    """One UPDATE for all levels. Absolute values: the rows are locked."""
    columns: dict[str, dict[int, int]] = {"on_hand": {}, "reserved": {}, "event_seq": {}}
    for change in changes:
        pk = change.line.level_id
        if change.on_hand_after != change.on_hand_before:
            columns["on_hand"][pk] = change.on_hand_after
        if change.reserved_after != change.reserved_before:
            columns["reserved"][pk] = change.reserved_after
        if events := events_each + change.became_low:
            columns["event_seq"][pk] = change.event_seq + events
    wanted = {name: values for name, values in columns.items() if values}
    if wanted:
        _assign_levels.later(wanted, [change.line.level_id for change in changes])


def _write_ledger(
    changes: Sequence[StockChange], *, actor: "User | None", kind: str, reason: str, note: str, reference: str,
    key_hash: str | None, fingerprint: str,
) -> None:  # fmt: skip
    now, current_request = clock.now(), request_id.current()
    actor_id = actor.pk if actor else None
    _insert_movements.later(
        [
            (
                change.line.level_id, kind,
                change.on_hand_after - change.on_hand_before, change.reserved_after - change.reserved_before,
                change.on_hand_after, change.reserved_after, reason, note, reference, actor_id, current_request,
                now, key_hash, fingerprint,
            )
            for change in changes
        ]
    )  # fmt: skip


@retrying_atomic
def adjust_stock(
    *,
    actor: "User",
    product_id: int,
    reason: str,
    delta: int | None = None,
    on_hand: int | None = None,
    expected_on_hand: int | None = None,
    note: str = "",
    idempotency_key: str | None = None,
) -> Product:
    """Correct a product's stock: by `delta`, or to a counted `on_hand` if it is still `expected_on_hand`.

    Units are whole pieces. A key makes it happen once: the same key answers with the product as it is now.

    Raises:
        Denied, NotFound, InsufficientStock (below what is reserved), StockChanged (another figure than
        expected), IdempotencyKeyReused, Invalid.
    """
    _require(actor)
    # Before the key is looked up: a duplicate waits here for the first, and then finds its key used.
    # Level before product, everywhere: an edit that took them the other way round deadlocked.
    # A subquery, not a join: the warehouse's row must not be locked.
    level = (
        StockLevel.objects.select_for_update()
        .filter(
            product_id=product_id,
            warehouse_id=Warehouse.objects.filter(is_default=True).values("pk")[:1],
        )
        .first()
    )
    key_hash, fingerprint = None, ""
    if idempotency_key is not None:
        key_hash = idempotency.key_hash(actor.pk, ADJUST, idempotency_key)
        fingerprint = idempotency.fingerprint(
            {"product_id": product_id, "delta": delta, "on_hand": on_hand, "expected_on_hand": expected_on_hand,
             "reason": reason, "note": note}
        )  # fmt: skip
        used = (
            StockMovement.objects.filter(key_hash=key_hash)
            .values_list("fingerprint", flat=True)
            .first()
        )
        if used is not None:
            if used != fingerprint:
                raise IdempotencyKeyReused
            return _living_product(product_id)
    product = _living_product(product_id)
    if level is None:
        raise NotFound(_("There is no such product."))
    refuse(field_errors(StockMovement(note=note), {"note"}, several_lines={"note"}))
    if delta is None:
        if on_hand is None or expected_on_hand is None:
            raise Invalid.field(
                "/expected_on_hand", "missing", _("A count needs on_hand and expected_on_hand.")
            )
        if level.on_hand != expected_on_hand:
            raise StockChanged(
                _("There are %(real)s now, not %(expected)s.")
                % {"real": grouped(level.on_hand), "expected": grouped(expected_on_hand)},
                on_hand=level.on_hand,
                reserved=level.reserved,
                expected_on_hand=expected_on_hand,
            )
        delta = on_hand - level.on_hand
    elif delta == 0:
        raise Invalid.field("/delta", "zero", _("A change of zero is no change."))
    line = Line(level.pk, product.pk, product.sku, product.name)
    (change,) = move_stock(
        actor=actor, kind=Kind.ADJUSTED, deltas=[Delta(line, on_hand=delta)], reason=reason, note=note,
        events_each=1, key_hash=key_hash, fingerprint=fingerprint,
    )  # fmt: skip
    stock_adjusted.send(sender=StockMovement, change=change, actor=actor, reason=reason)
    return product


@retrying_atomic
def undo_adjustment(*, actor: "User", idempotency_key: str) -> Product:
    """Take back what `actor` adjusted under this key, by the reverse adjustment. Doing it again changes nothing.

    Raises:
        NotFound: this person adjusted nothing under this key.
        Denied, InsufficientStock: as for any adjustment; what has arrived may be reserved by now.
    """
    key_hash = idempotency.key_hash(actor.pk, ADJUST, idempotency_key)
    done = StockMovement.objects.filter(key_hash=key_hash).select_related("level").first()
    if done is None:
        raise NotFound(_("There is nothing to undo."))
    return adjust_stock(
        actor=actor,
        product_id=done.level.product_id,
        delta=-done.delta_on_hand,
        reason=Reason.OTHER,
        note=_("Undone: %(change)+d") % {"change": done.delta_on_hand},
        # The key of the undoing follows from that of the deed, so that a second click finds it used.
        idempotency_key=f"undo-{key_hash}",
    )


@retrying_atomic
def count_stock(
    *, actor: "User", code: str, counted: int, expected: int | None = None, note: str = ""
) -> str:
    """One row of a stocktaking: what was counted of the product with this SKU or GTIN, in whole pieces.

    With `expected`, only if that many are on hand now. Answers "updated", or "unchanged" if the count was right.

    Raises:
        Denied, NotFound, InsufficientStock, StockChanged, Invalid: as adjust_stock.
    """
    found = find_by_codes([code]).get(code.strip().upper(), [])
    if not found:
        raise Invalid.field("/code", "not_found", _("There is no product with this SKU or GTIN."))
    if len(found) > 1:
        raise Invalid.field("/code", "ambiguous", shared_by(code.strip(), found))
    [product] = found
    # Without this lock a sale between reading and counting would be counted away.
    level = StockLevel.objects.select_for_update().get(
        product_id=product.pk,
        warehouse_id=Warehouse.objects.filter(is_default=True).values("pk")[:1],
    )
    if counted < 0:
        raise Invalid.field("/counted", "negative", _("A count cannot be negative."))
    if counted == level.on_hand and expected in {None, level.on_hand}:
        _require(actor)
        return "unchanged"
    adjust_stock(
        actor=actor,
        product_id=product.pk,
        reason=Reason.COUNTED,
        on_hand=counted,
        expected_on_hand=level.on_hand if expected is None else expected,
        note=note,
    )
    return "updated"


def _require(actor: "User") -> None:
    if not actor.has_perm(Permission.ADJUST_STOCK):
        raise Denied(_("Your role may not adjust stock."))


def _living_product(product_id: int) -> Product:
    product = Product.objects.filter(pk=product_id).first()
    if product is None:
        raise NotFound(_("There is no such product."), product_id=product_id)
    return product
