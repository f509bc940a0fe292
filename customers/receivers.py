"""Record what happened to customers, inside the service's transaction.

Events are kept for ever and sent to other systems: they carry names, but no address, e-mail or telephone,
and never a whole tax id. Who needs those reads the customer.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.dispatch import receiver

from erp_site.core import events, taxid
from erp_site.core.events import Actor, Aggregate, EventType, Fact

from .models import Customer
from .signals import customer_created, customer_deleted, customer_updated

#: How a value may stand in an event; fields that are not here are only named.
_SHOWN: Final[Mapping[str, Callable[[Any], Any]]] = {
    "name": str,
    "is_active": bool,
    "cpf_cnpj": taxid.masked,
    "price_list_id": lambda pk: pk,
}


def _record(
    kind: EventType, customer: Customer, actor: Actor | None, payload: dict[str, Any]
) -> None:
    # The service has counted this event, under the row's lock.
    fact = Fact(kind, Aggregate.CUSTOMER, customer.pk, customer.event_seq, payload)
    events.record([fact], actor=actor)


def _summary(customer: Customer) -> dict[str, Any]:
    return {name: shown(getattr(customer, name)) for name, shown in _SHOWN.items()}


@receiver(customer_created, dispatch_uid="customers.record_created")
def record_created(
    sender: type[Customer], *, customer: Customer, actor: Actor | None, **_: Any
) -> None:
    _record(EventType.CUSTOMER_CREATED, customer, actor, _summary(customer))


@receiver(customer_updated, dispatch_uid="customers.record_updated")
def record_updated(
    sender: type[Customer],
    *,
    customer: Customer,
    changed: dict[str, list[Any]],
    actor: Actor | None,
    **_: Any,
) -> None:
    """`fields` names all that changed; `changes` has [old, new] of those that may be shown."""
    payload = {
        "version": customer.version,
        "fields": sorted(changed),
        "changes": {
            name: [shown(value) for value in changed[name]]
            for name, shown in _SHOWN.items()
            if name in changed
        },
    }
    _record(EventType.CUSTOMER_UPDATED, customer, actor, payload)


@receiver(customer_deleted, dispatch_uid="customers.record_deleted")
def record_deleted(
    sender: type[Customer], *, customer: Customer, actor: Actor | None, **_: Any
) -> None:
    _record(EventType.CUSTOMER_DELETED, customer, actor, _summary(customer))
