"""Two people at one record: who changed it meanwhile, and what each of them changed.

A form remembers what its fields held when it was opened (`remember`). When it is refused as stale, that is what tells
the fields that were changed in it from those that merely lay there: these take the newer value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.core import signing
from django.core.exceptions import ValidationError
from django.forms import Field, Form
from django.http import HttpRequest, QueryDict

from .errors import Duplicate, Invalid, NothingNamed, StaleVersion
from .fields import ShowsRefusals
from .models import Event
from .text import as_lines

#: The hidden input that carries what `remember` says.
OPENED: Final = "opened"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field as it is now and as it is typed, both as people read them in the form."""

    label: Any
    now: str
    typed: str


@dataclass(frozen=True, slots=True)
class Overtaken:
    """The last change of the record, and the form to show: `data` is what was typed, joined with that change.

    `differences` are what saving it would turn back, `taken` the labels of the fields that hold the newer value, which
    nobody touched here. `changes` is False when saving it would do nothing.
    """

    who: Any
    at: datetime | None
    differences: list[Difference]
    taken: list[Any]
    changes: bool
    data: QueryDict


@dataclass(frozen=True, slots=True)
class Edit:
    """A form on a record: what its page shows, and with which status; `saved` is what was written, if it was."""

    context: dict[str, Any]
    status: int = 200
    saved: Any = None


def edit(
    request: HttpRequest,
    form_class: type[ShowsRefusals],
    aggregate: str,
    record: Mapping[str, Any],
    save: Callable[..., Any],
) -> Edit:
    """The form opened on `record` or, when it is sent, `save(**typed)`.

    What is refused is said beside its fields. Who was overtaken sees by whom and in what, and keeps all they typed.
    """
    if request.method != "POST":
        form = form_class(initial=dict(record))
        return Edit({"form": form, OPENED: remember(form, record)})
    form = form_class(request.POST)
    if form.is_valid():
        try:
            return Edit({}, saved=save(**form.cleaned_data))
        except (Duplicate, Invalid, NothingNamed) as refusal:
            form.add_refusal(refusal)
        except StaleVersion as stale:
            current = stale.facts["current"]
            found = overtaken(aggregate, record["id"], form, request.POST, current)
            joined = {
                "overtaken": found,
                "form": form_class(found.data),
                OPENED: found.data[OPENED],
            }
            return Edit(joined, stale.status)
    return Edit({"form": form, OPENED: request.POST.get(OPENED, "")}, 422)


def remember(form: Form, record: Mapping[str, Any]) -> str:
    """What the fields of `form` hold when it is opened on `record`, for its hidden input `opened`.

    Signed, so that what comes back needs no check of its shape.
    """
    held = {
        bound.name: _written(bound.field, record[bound.name])
        for bound in form.visible_fields()
        if bound.name in record
    }
    return signing.dumps(held, salt=OPENED, compress=True)


def overtaken(
    aggregate: str, record_id: int, form: Form, posted: QueryDict, current: Mapping[str, Any]
) -> Overtaken:
    """For a valid form refused as stale: `current` is the record as it is now, by the form's field names.

    Where the form does not tell what it held, all that differs from `current` counts as typed.
    """
    last = (
        Event.objects.filter(aggregate=aggregate, aggregate_id=record_id)
        .select_related("actor")
        .order_by("-sequence")
        .first()
    )
    held = _held(posted)
    data = posted.copy()
    # Saved again, it is said knowingly; overtaken again, it is told from what is shown now.
    data["version"], data[OPENED] = current["version"], remember(form, current)
    differences, taken, changes = [], [], False
    for bound in form.visible_fields():
        if bound.name not in current:
            continue
        now = _written(bound.field, current[bound.name])
        typed = _written(bound.field, form.cleaned_data.get(bound.name))
        before = _reread(bound.field, held.get(bound.name))
        if now == typed:
            continue
        if typed == before:
            data[bound.html_name] = now
            taken.append(bound.label)
            continue
        changes = True
        if now != before:
            read = _labels(bound.field)
            differences.append(Difference(bound.label, read.get(now, now), read.get(typed, typed)))
    return Overtaken(
        last.actor if last else None,
        last.created_at if last else None,
        differences,
        taken,
        changes,
        data,
    )


def _held(posted: QueryDict) -> dict[str, str]:
    """What `remember` said; nothing if the form does not tell, or not in our hand."""
    try:
        return signing.loads(posted.get(OPENED, ""), salt=OPENED)
    except signing.BadSignature:
        return {}


def _written(field: Field, value: Any) -> str:
    """A value as the form writes it."""
    return "" if value is None else as_lines(str(field.prepare_value(value)))


def _labels(field: Field) -> dict[str, str]:
    """What people read in place of the values of a choice; of any other field, nothing."""
    return {str(value): str(label) for value, label in getattr(field, "choices", ())}


def _reread(field: Field, written: str | None) -> str | None:
    """What was written when the form was opened, as it would be written now: the language may be another.

    None if it is not known, or no value of this field.
    """
    if written is None:
        return None
    try:
        return _written(field, field.clean(written))
    except ValidationError:
        return None
