"""Two people at one record: who changed it meanwhile, and where it differs from what the second one typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.forms import Form

from .models import Event


@dataclass(frozen=True, slots=True)
class Difference:
    """One field as it is now and as it is typed, both in the form's own writing."""

    label: Any
    now: str
    typed: str


@dataclass(frozen=True, slots=True)
class Overtaken:
    """The last change of the record, and what saving the form as it stands would turn back."""

    who: Any
    at: datetime | None
    differences: list[Difference]


def overtaken(aggregate: str, record_id: int, form: Form, current: Mapping[str, Any]) -> Overtaken:
    """For a form refused as stale: `current` is the record as it is now, by the form's field names."""
    last = (
        Event.objects.filter(aggregate=aggregate, aggregate_id=record_id)
        .select_related("actor")
        .order_by("-sequence")
        .first()
    )
    differences = []
    for bound in form.visible_fields():
        if bound.name not in current:
            continue
        now, typed = (
            str(bound.field.prepare_value(value) if value is not None else "")
            for value in (current[bound.name], form.cleaned_data.get(bound.name))
        )
        if now != typed:
            differences.append(Difference(bound.label, now, typed))
    return Overtaken(last.actor if last else None, last.created_at if last else None, differences)
