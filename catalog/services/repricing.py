"""All prices of a list at once: raised or lowered by a percentage, that undone, and all of them on a new list."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _

from catalog.models import (
    LEAST_PERCENT,
    MOST_PERCENT,
    MOST_PRICES,
    ListedPrice,
    PriceList,
    Repricing,
)
from catalog.queries import own_prices, price_list_record
from catalog.signals import prices_changed
from erp_site.core import clock, idempotency
from erp_site.core.errors import IdempotencyKeyReused, Invalid, NotFound, StaleVersion
from erp_site.core.events import Aggregate
from erp_site.core.fields import grouped_amount
from erp_site.core.models import Event
from erp_site.core.money import LARGEST_PRICE, repriced, to_text
from erp_site.core.statements import Assign
from erp_site.core.transactions import retrying_atomic
from erp_site.core.validation import field_errors

from .price_lists import PriceChange, create_price_list, locked_list, require_lists

if TYPE_CHECKING:
    from accounts.models import User

REPRICE: Final = "price_list.reprice"

#: What becomes of prices, by the id of each.
type Changes = Mapping[int, PriceChange]


def changes_by(price_list: PriceList, percent: Decimal) -> Changes:
    """What raising all prices of the list by so many percent (negative: lowering them) comes to, by products' names.

    Changes nothing. A price that stays the same, such as the least there is, is none of them.

    Raises:
        Invalid: the percentage is out of range, or makes a price larger than any may be.
    """
    _require_percent(percent)
    changes = {}
    for pk, product_id, sku, was in own_prices(price_list):
        now = repriced(was, percent)
        if now > LARGEST_PRICE:
            raise Invalid.field(
                "/percent",
                "price_too_large",
                _("%(sku)s would cost R$ %(price)s: that is too much for a price.")
                % {"sku": sku, "price": grouped_amount(now)},
            )
        if now != was:
            changes[pk] = PriceChange(product_id, sku, was, now)
    return changes


@retrying_atomic
def reprice_list(
    *,
    actor: "User",
    price_list_id: int,
    percent: Decimal,
    as_of: int | None = None,
    idempotency_key: str | None = None,
) -> Repricing:
    """Raise all own prices of a list by so many percent, or lower them; products without one there are not touched.

    A key makes it happen once: the same key answers with what it did. Each MOST_PRICES of the prices are told by an
    event of their own.

    Args:
        percent: from -99.99 to 999.99, not 0, with two decimals at most.
        as_of: the list's `event_seq` when it was shown what this would do: refused if anything was changed since.

    Raises:
        Denied, NotFound, IdempotencyKeyReused, Invalid (as `changes_by`).
        StaleVersion: the list or a price on it was changed after `as_of`.
    """
    require_lists(actor)
    _require_percent(percent)
    # Before the key is looked up: a duplicate waits here for the first, and then finds its key used. And without this
    # lock a price that is typed meanwhile would be lost.
    price_list = locked_list(price_list_id)
    key_hash, fingerprint = None, ""
    if idempotency_key is not None:
        key_hash = idempotency.key_hash(actor.pk, REPRICE, idempotency_key)
        fingerprint = idempotency.fingerprint(
            {"price_list_id": price_list_id, "percent": to_text(percent)}
        )
        if done := Repricing.objects.filter(key_hash=key_hash).first():
            if done.fingerprint != fingerprint:
                raise IdempotencyKeyReused
            return done
    if as_of is not None and as_of != price_list.event_seq:
        raise StaleVersion(
            _("The price list was changed meanwhile."), current=price_list_record(price_list)
        )
    changes = changes_by(price_list, percent)
    return _carry_out(
        price_list, changes, actor, percent=percent, key_hash=key_hash, fingerprint=fingerprint
    )


@retrying_atomic
def undo_repricing(*, actor: "User", price_list_id: int, repricing_id: int) -> Repricing:
    """Give each price what it was before this repricing, unless it was changed since. Doing it again changes nothing.

    Raises:
        Denied.
        NotFound: there is no such list, or this was not done to it.
    """
    require_lists(actor)
    price_list = locked_list(price_list_id)
    done = price_list.repricings.filter(pk=repricing_id, undoes=None).first()
    if done is None:
        raise NotFound(_("There is nothing to undo."))
    if undone := Repricing.objects.filter(undoes=done).first():
        return undone
    before = {it["product_id"]: (Decimal(it["to"]), Decimal(it["from"])) for it in _told(done)}
    changes = {
        pk: PriceChange(product_id, sku, now, before[product_id][1])
        for pk, product_id, sku, now in own_prices(price_list)
        if product_id in before and before[product_id][0] == now
    }
    return _carry_out(price_list, changes, actor, undoes=done)


@retrying_atomic
def copy_price_list(
    *, actor: "User", price_list_id: int, name: str, discount: Decimal | None = None
) -> PriceList:
    """A new list with the prices of another one, and its discount, unless another is given. Nobody buys by it yet.

    Raises:
        Denied, Invalid, Duplicate: as for a new one.
        NotFound: there is no list to copy.
    """
    require_lists(actor)
    # Without this lock the copy could have the discount of one moment and the prices of another.
    copied = locked_list(price_list_id)
    price_list = create_price_list(
        actor=actor, name=name, discount=copied.discount if discount is None else discount
    )
    for batch in batched(own_prices(copied), MOST_PRICES):
        ListedPrice.objects.bulk_create(
            ListedPrice(price_list=price_list, product_id=product_id, price=price)
            for _pk, product_id, _sku, price in batch
        )
        price_list.next_sequence()
        prices_changed.send(
            sender=PriceList,
            price_list=price_list,
            changes=[
                PriceChange(product_id, sku, None, price) for _pk, product_id, sku, price in batch
            ],
            actor=actor,
        )
    price_list.save(update_fields=["event_seq"])
    return price_list


def _require_percent(percent: Decimal) -> None:
    wrong = field_errors(Repricing(percent=percent), ["percent"])
    if wrong or not LEAST_PERCENT <= percent <= MOST_PERCENT:
        detail = _("A percentage is from -99.99 to 999.99, with two decimals at most.")
        raise Invalid.field("/percent", "out_of_range", detail)
    if not percent:
        raise Invalid.field("/percent", "zero", _("A change of zero is no change."))


_assign_prices: Final = Assign(ListedPrice)


def _carry_out(
    price_list: PriceList,
    changes: Changes,
    actor: "User",
    *,
    percent: Decimal | None = None,
    **record: Any,
) -> Repricing:
    """Give the prices what they cost now, and tell and record it; the list is locked.

    A bounded number at a time: neither a statement nor an event grows with the list.
    """
    seen = price_list.event_seq
    for batch in batched(changes.items(), MOST_PRICES):
        prices = {pk: change.now for pk, change in batch if change.now is not None}
        _assign_prices.of({"price": prices}, list(prices)).run()
        price_list.next_sequence()
        prices_changed.send(
            sender=PriceList,
            price_list=price_list,
            changes=[change for _pk, change in batch],
            percent=percent,
            actor=actor,
        )
    if changes:
        price_list.updated_at = clock.now()
        price_list.save(update_fields=["updated_at", "event_seq"])
    return Repricing.objects.create(
        price_list=price_list,
        percent=percent,
        prices=len(changes),
        events=price_list.event_seq - seen,
        last_event=price_list.event_seq,
        actor=actor,
        created_at=clock.now(),
        **record,
    )


def _told(done: Repricing) -> Iterator[dict[str, Any]]:
    """What it did to each price, as its events say."""
    events = Event.objects.filter(
        aggregate=Aggregate.PRICE_LIST,
        aggregate_id=done.price_list_id,
        sequence__gt=done.last_event - done.events,
        sequence__lte=done.last_event,
    )
    for payload in events.order_by("sequence").values_list("payload", flat=True):
        yield from payload["prices"]
