"""The JSON face of webhooks. Refusals are mapped once, in erp_site/api.py."""

from typing import Annotated, Any, Literal

from django.http import HttpResponse
from django.urls import reverse
from ninja import Query, Router, Status
from pydantic import AfterValidator, ConfigDict, Field

from accounts.auth import SignedIn, needs
from accounts.roles import Permission
from erp_site.core import webhooks
from erp_site.core.models import Delivery, Webhook
from erp_site.core.openapi import CREATED, problems
from erp_site.core.pagination import paginate
from erp_site.core.schemas import (
    Bool,
    In,
    Line,
    ListParams,
    Out,
    Page,
    QueryId,
    TimeOut,
    unsent,
)

router = Router(tags=["Webhooks"])

Url = Annotated[str, Line(500, shortest=1), Field(json_schema_extra={"format": "uri"})]
Description = Annotated[
    Annotated[str, Line(255)] | None, AfterValidator(lambda description: description or "")
]
Types = Annotated[
    list[str],
    Field(max_length=100, description="Types of event, as in `GET /events?types=`; none: all of them"),
]  # fmt: skip
EXAMPLE: dict[str, Any] = {
    "url": "https://erp.example.com/events",
    "description": "Fiscal documents",
    "types": ["order.placed", "order.cancelled"],
}


class WebhookIn(In):
    """A new webhook."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    url: Url
    description: Description = ""
    types: Types = []


class WebhookPatch(In):
    """The fields to change, and only those."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"is_active": False}]}
    )

    url: Url = unsent()
    description: Description = unsent()
    types: Types = unsent()
    is_active: Bool = unsent()


class WebhookOut(Out):
    id: int
    url: str = Field(examples=[EXAMPLE["url"]])
    description: str
    types: list[str] = Field(description="None: all")
    is_active: bool
    failing_since: TimeOut | None = Field(description="Since when nobody has taken anything")
    last_error: str
    waiting: int = Field(description="Events on their way")
    refused: int = Field(description="Events that were set aside after their tries")
    created_at: TimeOut
    updated_at: TimeOut


class WebhookWithSecret(WebhookOut):
    """A webhook with its secret, which no other answer shows."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class WebhookListParams(ListParams):
    sort: Literal["id", "-id"] | None = None


class Retried(Out):
    """How many events are sent once more."""

    count: int


def present(webhook: Webhook) -> dict[str, Any]:
    """The fields of WebhookOut."""
    return present_all([webhook])[0]


def present_all(found: list[Webhook]) -> list[dict[str, Any]]:
    """As `present`, for several in as many statements."""
    waiting, refused = (
        webhooks.counts_of(found, state) for state in (Delivery.State.OPEN, Delivery.State.DEAD)
    )
    names = (
        "url", "description", "types", "is_active", "failing_since", "last_error", "created_at", "updated_at",
    )  # fmt: skip
    return [
        {
            "id": each.pk,
            **{name: getattr(each, name) for name in names},
            "waiting": waiting[each.pk],
            "refused": refused[each.pk],
        }
        for each in found
    ]


@router.get("", response=Page[WebhookOut], operation_id="list_webhooks", summary="List webhooks")
@needs(Permission.MANAGE_WEBHOOKS)
def list_webhooks(
    request: SignedIn, response: HttpResponse, params: Query[WebhookListParams]
) -> dict[str, Any]:
    """Oldest first unless sorted otherwise."""
    page = paginate(request, response, webhooks.webhooks(), params=params, sort=params.sort or "id")
    return {**page, "items": present_all(page["items"])}


@router.post(
    "",
    response={201: WebhookWithSecret},
    operation_id="create_webhook",
    summary="Add a webhook",
    openapi_extra=problems(conflict="too_many_webhooks", answers={201: CREATED}),
)
@needs(Permission.MANAGE_WEBHOOKS)
def create_webhook(
    request: SignedIn, response: HttpResponse, body: WebhookIn
) -> Status[dict[str, Any]]:
    """From now on each event of these types is posted to `url`, signed with the `secret` of this answer
    (Standard Webhooks). Keep the secret: no other answer shows it."""
    webhook = webhooks.create_webhook(actor=request.user, **body.model_dump())
    response["Location"] = reverse("api-v1:get_webhook", args=[webhook.pk])
    return Status(201, {**present(webhook), "secret": webhook.secret})


@router.get(
    "/{webhook_id}",
    response=WebhookOut,
    operation_id="get_webhook",
    summary="Read a webhook",
    openapi_extra=problems(404),
)
@needs(Permission.MANAGE_WEBHOOKS)
def get_webhook(request: SignedIn, webhook_id: QueryId) -> dict[str, Any]:
    """Where it is, what it gets and how it fares."""
    return present(webhooks.get_webhook(webhook_id))


@router.patch(
    "/{webhook_id}",
    response=WebhookOut,
    operation_id="update_webhook",
    summary="Change a webhook",
    openapi_extra=problems(404),
)
@needs(Permission.MANAGE_WEBHOOKS)
def update_webhook(request: SignedIn, webhook_id: QueryId, body: WebhookPatch) -> dict[str, Any]:
    """Only the fields sent change. Paused (`is_active` false), it gets nothing of what happens meanwhile."""
    changed = webhooks.update_webhook(
        actor=request.user, webhook_id=webhook_id, **body.model_dump(exclude_unset=True)
    )
    return present(changed)


@router.delete(
    "/{webhook_id}",
    response={204: None},
    operation_id="delete_webhook",
    summary="Delete a webhook",
    openapi_extra=problems(404),
)
@needs(Permission.MANAGE_WEBHOOKS)
def delete_webhook(request: SignedIn, webhook_id: QueryId) -> Status[None]:
    """It is told nothing more, and what waits for it is forgotten."""
    webhooks.delete_webhook(actor=request.user, webhook_id=webhook_id)
    return Status(204, None)


@router.post(
    "/{webhook_id}/test",
    response={204: None},
    operation_id="test_webhook",
    summary="Send a webhook a test",
    openapi_extra=problems(404, conflict="webhook_paused"),
)
@needs(Permission.MANAGE_WEBHOOKS)
def test_webhook(request: SignedIn, webhook_id: QueryId) -> Status[None]:
    """An event `webhook.tested`, to this webhook alone. Whether it was taken shows in `waiting` and `last_error`."""
    webhooks.send_test(actor=request.user, webhook_id=webhook_id)
    return Status(204, None)


@router.post(
    "/{webhook_id}/secret",
    response=WebhookWithSecret,
    operation_id="change_webhook_secret",
    summary="Give a webhook a new secret",
    openapi_extra=problems(404),
)
@needs(Permission.MANAGE_WEBHOOKS)
def change_webhook_secret(request: SignedIn, webhook_id: QueryId) -> dict[str, Any]:
    """For 24 hours messages are signed with both, the old one and the new one."""
    webhook = webhooks.rotate_secret(actor=request.user, webhook_id=webhook_id)
    return {**present(webhook), "secret": webhook.secret}


@router.post(
    "/{webhook_id}/retry",
    response=Retried,
    operation_id="retry_webhook",
    summary="Send refused events once more",
    openapi_extra=problems(404),
)
@needs(Permission.MANAGE_WEBHOOKS)
def retry_webhook(request: SignedIn, webhook_id: QueryId) -> dict[str, Any]:
    """What was set aside after its tries gets all of them again."""
    return {"count": webhooks.retry_dead_letters(actor=request.user, webhook_id=webhook_id)}
