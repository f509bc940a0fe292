"""The webhooks that there are: who adds and changes them, what they get, and how they fare."""

import base64
import functools
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol, TypedDict, Unpack
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from erp_site.core import clock, outbox
from erp_site.core.consumers import Consumer, Unavailable
from erp_site.core.errors import Conflict, Denied, FieldError, NotFound
from erp_site.core.events import Aggregate, EventType, Fact, record
from erp_site.core.models import Delivery, Event, Feed, Webhook
from erp_site.core.transactions import retrying_atomic
from erp_site.core.validation import assign, field_errors, refuse

from . import sending

MANAGE: Final = "core.manage_webhook"
#: Each has a thread of its own in each relay.
MOST_WEBHOOKS: Final = 20
#: A changed secret leaves so much time to tell the other side.
BOTH_SECRETS: Final = timedelta(hours=24)
#: What nobody has taken for so long nobody waits for: Standard Webhooks asks senders to stop at some time.
GIVE_UP: Final = timedelta(days=5)
SECRET_BYTES: Final = 32
LONGEST_REASON: Final = 500


class Actor(Protocol):
    """Who manages webhooks."""

    @property
    def pk(self) -> Any: ...

    def has_perm(self, perm: str, /) -> bool: ...


class TooManyWebhooks(Conflict):
    """There are as many as relays serve."""

    code = "too_many_webhooks"
    title = "Too many webhooks"


class WebhookPaused(Conflict):
    """It gets nothing at present."""

    code = "webhook_paused"
    title = "Webhook paused"


class WebhookFields(TypedDict, total=False):
    """What people may write."""

    url: str
    description: str
    types: Sequence[str]
    is_active: bool


_STORED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "url": str.strip,
    "description": str.strip,
    "types": lambda types: [kind.value for kind in EventType if kind in set(types)],
    "is_active": bool,
}
_is_url: Final = URLValidator(schemes=["https", "http"])


def webhooks() -> QuerySet[Webhook]:
    """All of them, oldest first."""
    return Webhook.objects.order_by("pk")


def get_webhook(webhook_id: int) -> Webhook:
    """One of them.

    Raises:
        NotFound: there is none, or it is deleted.
    """
    webhook = Webhook.objects.filter(pk=webhook_id).first()
    if webhook is None:
        raise _missing(webhook_id)
    return webhook


@retrying_atomic
def create_webhook(
    *, actor: Actor, url: str, description: str = "", types: Sequence[str] = ()
) -> Webhook:
    """From now on `url` is told each event of these `types`, or without any each event there is.

    Raises:
        Denied: the role may not.
        Invalid: naming every wrong field.
        TooManyWebhooks: there are MOST_WEBHOOKS.
    """
    _require(actor)
    if Webhook.objects.count() >= MOST_WEBHOOKS:
        raise TooManyWebhooks(
            _("There are %(count)s webhooks, which is the most.") % {"count": MOST_WEBHOOKS}
        )
    now = clock.now()
    webhook = Webhook(event_seq=1, secret=_new_secret(), created_at=now, updated_at=now)
    _write(webhook, WebhookFields(url=url, description=description, types=types))
    webhook.save(force_insert=True)
    _record(webhook, EventType.WEBHOOK_CREATED, actor, webhook.event_seq, types=webhook.types)
    return webhook


@retrying_atomic
def update_webhook(*, actor: Actor, webhook_id: int, **given: Unpack[WebhookFields]) -> Webhook:
    """Change the fields given. Paused, it gets nothing of what happens meanwhile; what waited for it waits on.

    Raises:
        Denied, NotFound, Invalid: as for a new one.
    """
    _require(actor)
    webhook = _locked(webhook_id)
    changed = _write(webhook, given)
    if not changed:
        return webhook
    if changed.keys() & {"url", "is_active"}:
        webhook.failing_since, webhook.last_error = None, ""
    webhook.updated_at = clock.now()
    _record(
        webhook, EventType.WEBHOOK_UPDATED, actor, webhook.next_sequence(), fields=sorted(changed)
    )
    webhook.save()
    return webhook


@retrying_atomic
def rotate_secret(*, actor: Actor, webhook_id: int) -> Webhook:
    """Give it a new secret. For a day messages are signed with both, so that the other side can change in peace.

    Raises:
        Denied, NotFound: as above.
    """
    _require(actor)
    webhook = _locked(webhook_id)
    webhook.old_secret, webhook.secret = webhook.secret, _new_secret()
    webhook.updated_at = clock.now()
    webhook.old_secret_until = webhook.updated_at + BOTH_SECRETS
    _record(webhook, EventType.WEBHOOK_SECRET_CHANGED, actor, webhook.next_sequence())
    webhook.save()
    return webhook


@retrying_atomic
def send_test(*, actor: Actor, webhook_id: int) -> None:
    """Send it an event that is no more than a test; no other webhook gets it.

    Raises:
        Denied, NotFound: as above.
        WebhookPaused: it would get it only when it is active again.
    """
    _require(actor)
    webhook = _locked(webhook_id)
    if not webhook.is_active:
        raise WebhookPaused(_("It is paused. Resume it first."))
    _record(webhook, EventType.WEBHOOK_TESTED, actor, webhook.next_sequence())
    webhook.save(update_fields=["event_seq"])


@retrying_atomic
def delete_webhook(*, actor: Actor, webhook_id: int) -> None:
    """Send nothing more; what waits for it is forgotten.

    Raises:
        Denied, NotFound: as above.
    """
    _require(actor)
    # Without this lock a relay that is publishing writes deliveries for a webhook that is no more.
    list(Feed.objects.select_for_update())
    webhook = _locked(webhook_id)
    Delivery.objects.filter(consumer=_name_of(webhook)).exclude(state=Delivery.State.DONE).delete()
    webhook.deleted_at = clock.now()
    _record(webhook, EventType.WEBHOOK_DELETED, actor, webhook.next_sequence())
    webhook.save(update_fields=["deleted_at", "event_seq"])


def _require(actor: Actor) -> None:
    if not actor.has_perm(MANAGE):
        raise Denied(_("Your role may not manage webhooks."))


def _missing(webhook_id: int) -> NotFound:
    return NotFound(_("There is no such webhook."), webhook_id=webhook_id)


def _locked(webhook_id: int) -> Webhook:
    webhook = Webhook.objects.select_for_update().filter(pk=webhook_id).first()
    if webhook is None:
        raise _missing(webhook_id)
    return webhook


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _write(webhook: Webhook, given: WebhookFields) -> dict[str, list[Any]]:
    unknown = sorted(set(given.get("types", ())) - set(EventType))
    changed = assign(webhook, given, _STORED)
    errors = field_errors(webhook, set(given) - {"types", "is_active"})
    errors += [
        FieldError(pointer="/types", code="unknown_type", detail=_("Unknown event type: %(name)s") % {"name": name})
        for name in unknown
    ]  # fmt: skip
    if "url" in given and not errors and (detail := _objection(webhook.url)):
        errors.append(FieldError(pointer="/url", code="invalid_url", detail=detail))
    refuse(errors)
    return changed


def _objection(url: str) -> str | None:
    """What is wrong with this address, as far as it can be told without looking its host up."""
    if not _is_address(url):
        return _("Write a whole address, such as https://erp.example.com/events.")
    if not url.lower().startswith("https:") and not settings.WEBHOOK_NETWORKS:
        return _(
            "Without HTTPS webhooks go to inner networks alone, and WEBHOOK_NETWORKS names none."
        )
    if not sending.may_be_reached(url):
        return _("This is an inner address, which WEBHOOK_NETWORKS does not name.")
    return None


def _is_address(url: str) -> bool:
    try:
        _is_url(url)
        parts = urlsplit(url)
        strange = parts.username or parts.password or parts.fragment or parts.port == 0
        parse_url(url)  # which is who reads it in the end, and knows no snowman
    except (ValidationError, ValueError, HTTPError):
        return False
    return not strange


def _record(
    webhook: Webhook, kind: EventType, actor: Actor | None, sequence: int, **payload: Any
) -> None:
    """Of its address the host alone is told: the rest is often a secret."""
    facts = {"host": webhook.host, **payload}
    record([Fact(kind, Aggregate.WEBHOOK, webhook.pk, sequence, facts)], actor=actor)


# --- what it gets


def active_consumers() -> Iterable[Consumer]:
    """The webhooks that are not paused, as the relay knows consumers."""
    return [
        Consumer(
            name=_name_of(webhook),
            handle=functools.partial(_deliver, webhook),
            types=frozenset({*webhook.types, EventType.WEBHOOK_TESTED}) if webhook.types else None,
            only=functools.partial(_concerns, webhook.pk),
        )
        for webhook in Webhook.objects.filter(is_active=True).order_by("pk")
    ]


def _name_of(webhook: Webhook) -> str:
    return f"webhook-{webhook.pk}"


def _concerns(webhook_id: int, event: Event) -> bool:
    """Another's test does not."""
    return event.type != EventType.WEBHOOK_TESTED or event.aggregate_id == webhook_id


def _deliver(webhook: Webhook, event: Event) -> None:
    try:
        sending.send(webhook, event)
    except sending.Gone as error:
        _disable(webhook, error)
        raise Unavailable(error.for_everybody) from error
    except sending.Away as error:
        _note_failure(webhook, error)
        raise Unavailable(error.for_everybody) from error
    except sending.Refused:
        _note_success(webhook)  # it is there, whatever it thinks of this event
        raise
    _note_success(webhook)


def _asked(webhook: Webhook) -> QuerySet[Webhook]:
    """The webhook, if it is still the one that was asked: it may have been changed while a message was under way."""
    return Webhook.objects.filter(pk=webhook.pk, url=webhook.url, is_active=True)


def _note_success(webhook: Webhook) -> None:
    if webhook.failing_since:
        _asked(webhook).update(failing_since=None, last_error="")


def _note_failure(webhook: Webhook, error: sending.Away) -> None:
    now = clock.now()
    if webhook.failing_since and now - webhook.failing_since > GIVE_UP:
        _disable(webhook, error)
        return
    _asked(webhook).update(
        failing_since=Coalesce("failing_since", Value(now)),
        last_error=str(error)[:LONGEST_REASON],
    )


@retrying_atomic
def _disable(webhook: Webhook, error: sending.Away) -> None:
    """Pause it, since nobody is there any more. What waits for it waits on."""
    asked = _asked(webhook).select_for_update().first()
    if asked is None:
        return
    asked.is_active, asked.last_error = False, str(error)[:LONGEST_REASON]
    asked.failing_since = asked.failing_since or clock.now()
    _record(
        asked, EventType.WEBHOOK_DISABLED, None, asked.next_sequence(), reason=error.for_everybody
    )
    asked.save(update_fields=["is_active", "last_error", "failing_since", "event_seq"])


# --- how it fares


def deliveries_of(webhook: Webhook, most: int) -> list[Delivery]:
    """The latest events on their way to it, latest first, each with its event."""
    ours = Delivery.objects.filter(consumer=_name_of(webhook)).select_related("event")
    found = [
        delivery
        for state in Delivery.State
        for delivery in ours.filter(state=state).order_by("-position")[
            :most
        ]  # an index for each state
    ]
    return sorted(found, key=lambda delivery: -delivery.position)[:most]


def counts_of(found: Iterable[Webhook], state: Delivery.State) -> dict[int, int]:
    """How many deliveries of each of these webhooks are in this state, by its id."""
    counts = outbox.counts(state)
    return {webhook.pk: counts.get(_name_of(webhook), 0) for webhook in found}


@retrying_atomic
def set_aside(*, actor: Actor, webhook_id: int) -> None:
    """Go on without the event that it is stuck at: the oldest that waits becomes a dead letter.

    Raises:
        Denied, NotFound: as above.
    """
    _require(actor)
    webhook = _locked(webhook_id)
    waiting = Delivery.objects.filter(consumer=_name_of(webhook), state=Delivery.State.OPEN)
    stuck = waiting.select_for_update().order_by("position").first()
    if stuck:
        stuck.state, stuck.finished_at = Delivery.State.DEAD, clock.now()
        stuck.leased_until, stuck.last_error = None, webhook.last_error
        stuck.save(update_fields=["state", "finished_at", "leased_until", "last_error"])
        outbox.wake()


@retrying_atomic
def retry_dead_letters(*, actor: Actor, webhook_id: int) -> int:
    """Send it once more what it refused too often. Answers how many there are.

    Raises:
        Denied, NotFound: as above.
    """
    _require(actor)
    return outbox.revive(outbox.dead_letters(_name_of(_locked(webhook_id))))
