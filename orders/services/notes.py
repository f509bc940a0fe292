"""What people write on orders."""

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from accounts.roles import Permission
from erp_site.core import clock, idempotency, request_id
from erp_site.core.errors import Denied, IdempotencyKeyReused
from erp_site.core.transactions import retrying_atomic
from orders.models import OrderNote
from orders.queries import require_order

if TYPE_CHECKING:
    from accounts.models import User

ADD_NOTE: Final = "order.note"


@retrying_atomic
def add_note(
    *, actor: "User", order_id: int, text: str, idempotency_key: str | None = None
) -> OrderNote:
    """Write something on an order, for everybody who reads it; with a key once.

    Raises:
        Denied, NotFound, IdempotencyKeyReused.
    """
    if not actor.has_perm(Permission.ADD_ORDER_NOTE):
        raise Denied(_("Your role may not add notes."))
    require_order(order_id)
    key_hash = None
    if idempotency_key is not None:
        key_hash = idempotency.key_hash(actor.pk, ADD_NOTE, idempotency_key)
        if written := OrderNote.objects.filter(key_hash=key_hash).first():
            # Notes never change, so the note itself says what the key was used for.
            if (written.order_id, written.text) != (order_id, text):
                raise IdempotencyKeyReused
            return written
    return OrderNote.objects.create(
        order_id=order_id,
        text=text,
        actor=actor,
        request_id=request_id.current(),
        created_at=clock.now(),
        key_hash=key_hash,
    )
