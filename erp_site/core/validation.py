"""Writing people's values to records: spelled one way, checked by the models' own field definitions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

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


def field_errors(record: models.Model, fields: Iterable[str]) -> list[FieldError]:
    """Whatever the definitions of `fields` refuse (length, emptiness, format), for values already normalised."""
    names = set(fields)
    others = {field.name for field in record._meta.concrete_fields} - names
    try:
        record.clean_fields(exclude=others)
    except ValidationError as refused:
        return [
            FieldError(
                pointer=f"/{name}",
                code=problem.code or "invalid",
                detail=" ".join(problem.messages),
            )
            for name, problems in refused.error_dict.items()
            for problem in problems
        ]
    return []


def refuse(errors: list[FieldError]) -> None:
    """Raise Invalid, naming every wrong field, if there is one."""
    if errors:
        raise Invalid(
            "; ".join(f"{e['pointer'][1:]}: {e['detail']}" for e in errors), errors=errors
        )
