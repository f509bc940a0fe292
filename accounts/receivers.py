"""Recording what happened to users: events, in the transaction that makes them true."""

from decimal import Decimal
from typing import Any, Final

from django.dispatch import receiver

from erp_site.core.events import Aggregate, EventType, Fact, record
from erp_site.core.money import to_text

from .models import User
from .signals import user_changed, user_created

#: What `user.updated` tells, from what to what.
TOLD: Final = {"name", "language", "discount_limit"}


@receiver(user_created)
def record_creation(*, user: User, actor: User | None, **_: Any) -> None:
    described = {
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "is_active": user.is_active,
        "discount_limit": to_text(user.discount_limit),
    }
    record(
        [Fact(EventType.USER_CREATED, Aggregate.USER, user.pk, user.event_seq, described)],
        actor=actor,
    )


@receiver(user_changed)
def record_changes(*, user: User, actor: User | None, changes: dict[str, Any], **_: Any) -> None:
    """One event a kind of change; those of a password and of second factors tell nothing but that."""
    facts = []

    def add(kind: EventType, **payload: Any) -> None:
        facts.append(Fact(kind, Aggregate.USER, user.pk, user.next_sequence(), payload))

    if told := {field: pair for field, pair in changes.items() if field in TOLD}:
        changed = {field: [_plain(value) for value in pair] for field, pair in told.items()}
        add(EventType.USER_UPDATED, changed=changed)
    if "role" in changes:
        before, after = changes["role"]
        add(EventType.USER_ROLE_CHANGED, **{"from": before, "to": after})
    if "is_active" in changes:
        add(EventType.USER_ACTIVATED if user.is_active else EventType.USER_DEACTIVATED)
    if "password" in changes:
        add(EventType.USER_PASSWORD_CHANGED)
    if "second_factors" in changes:
        add(EventType.USER_SECOND_FACTORS_REMOVED)
    record(facts, actor=actor)


def _plain(value: str | Decimal) -> str:
    return to_text(value) if isinstance(value, Decimal) else value
