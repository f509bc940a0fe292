"""GET /events: what happened, in the order it was published."""

from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from accounts.auth import needs
from accounts.roles import Permission
from erp_site.core.errors import Invalid
from erp_site.core.events import EventType, as_record
from erp_site.core.models import Event
from erp_site.core.pagination import paginate
from erp_site.core.schemas import ActorOut, ListParams, Out, Page, QueryPosition, TimeOut

router = Router(tags=["Events"])


#: What an event is about.
type Aggregate = Literal["order", "stock", "product", "price_list", "customer", "user", "webhook"]


class EventOut(Out):
    """One fact. `sequence` counts without gaps within its aggregate; `position` orders the whole feed."""

    position: int
    id: UUID
    type: str = Field(examples=["order.placed"])
    aggregate: Aggregate
    aggregate_id: int
    sequence: int
    payload: dict[str, Any]
    actor: ActorOut | None
    request_id: str
    created_at: TimeOut


class EventListParams(ListParams):
    after: QueryPosition | None = Field(None, description="Only events with a later position")
    types: list[str] | None = Field(
        None, description="Event types; repeat it or separate with commas", max_length=50
    )


@router.get("", response=Page[EventOut], operation_id="list_events", summary="Read the event feed")
@needs(Permission.VIEW_EVENTS)
def list_events(
    request: HttpRequest, response: HttpResponse, params: Query[EventListParams]
) -> dict[str, Any]:
    """Published events, oldest first. Remember the last `position` and ask for what came `after` it."""
    # Positions count from 1, and what is not published has none.
    events = Event.objects.filter(position__gt=params.after or 0).prefetch_related("actor")
    types = _known_types(params.types) if params.types is not None else []
    if params.types is not None:
        events = events.filter(type__in=types)
    page = paginate(
        request, response, events, params=params, sort="position", split=("type", types)
    )
    page["items"] = [as_record(event) for event in page["items"]]
    return page


def _known_types(names: list[str]) -> list[str]:
    wanted = [part.strip() for name in names for part in name.split(",")]
    for name in wanted:
        if name not in set(EventType):
            raise Invalid.field("types", "unknown_type", f"Unknown event type {name!r}")
    return wanted
