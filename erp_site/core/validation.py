"""Writing people's values to records: spelled one way, checked by the models' own field definitions."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.utils.translation import gettext as _

from . import text
from .errors import FieldError, Invalid


def assign(
    record: models.Model, given: Mapping[str, Any], stored: Mapping[str, Callable[[Any], Any]]
) -> dict[str, list[Any]]:
    """Put `given` on the record, each value as `stored` spells it; what that changed, as [old, new]."""
    changed = {}
    for field, value in given.items():
        old, new = getattr(record, field), stored[field](value)
        if new != old:
            setattr(record, field, new)
            changed[field] = [old, new]
    return changed


def field_errors(
    record: models.Model, fields: Iterable[str], *, several_lines: Collection[str] = ()
) -> list[FieldError]:
    """Whatever the definitions of `fields` refuse (length, emptiness, format), for values already normalised.

    Text is one line, but for TextFields and those of `several_lines`.
    """
    names = set(fields)
    others = {field.name for field in record._meta.concrete_fields} - names
    found: dict[str, list[ValidationError]] = {}
    try:
        record.clean_fields(exclude=others)
    except ValidationError as refused:
        found = refused.error_dict
    for name in sorted(names - found.keys()):
        field, value = record._meta.get_field(name), getattr(record, name)
        if isinstance(value, str) and isinstance(field, (models.CharField, models.TextField)):
            is_long = isinstance(field, models.TextField) or name in several_lines
            found[name] = list(_wrong_text(field, value, several_lines=is_long))
    return [
        FieldError(
            pointer=f"/{name}",
            code=problem.code or "invalid",
            detail=" ".join(problem.messages),
        )
        for name, problems in found.items()
        for problem in problems
    ]


def discount_errors(record: models.Model, field: str) -> list[FieldError]:
    """The one refusal of a discount that is none: it is in percent, from 0 to less than 100."""
    if not field_errors(record, [field]) and getattr(record, field) >= 0:
        return []
    detail = _("A discount is from 0 to 99.99 percent, with two decimals at most.")
    return [FieldError(pointer=f"/{field}", code="out_of_range", detail=detail)]


def _wrong_text(
    field: "models.Field[Any, Any]", value: str, *, several_lines: bool
) -> Iterator[ValidationError]:
    if text.has_control(value, several_lines=several_lines):
        message = text.NO_CONTROL if several_lines else text.NO_BREAKS
        yield ValidationError(message, code="control_character")
    elif not field.blank and not text.is_visible(value):
        yield ValidationError(field.error_messages["blank"], code="blank")
    elif isinstance(field, models.EmailField) and not value.isprintable():
        # Django asks about the domain without the letters that nobody sees.
        yield ValidationError(validate_email.message, code="invalid")


def refuse(errors: list[FieldError]) -> None:
    """Raise Invalid, naming every wrong field, if there is one."""
    if errors:
        raise Invalid(
            "; ".join(f"{e['pointer'][1:]}: {e['detail']}" for e in errors), errors=errors
        )
