"""What the apps' FilterSets share: moments, word search, and one way to refuse a wrong value."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Final

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext_lazy as _

from .errors import FieldError, Invalid
from .fields import MoneyField

#: What "from 0001-01-01" and "to 9999-12-31" mean, the way programs write an open end. East of Greenwich the first
#: day began before the calendar does.
BEGINNING_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)
END_OF_TIME: Final = datetime.max.replace(microsecond=0, tzinfo=UTC)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")


class MomentField(forms.Field):
    """A date or a time, as text. A bare date is a day of the site's time zone; a time is in UTC unless it says."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid_moment": _("Use a date (2026-11-23) or a time (2026-11-23T14:20:00Z).")
    }

    def __init__(self, *args: Any, end_of_day: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.end_of_day = end_of_day

    def to_python(self, value: Any) -> datetime | None:
        """The moment from (inclusive) or to (exclusive) which rows are wanted."""
        if value in self.empty_values:
            return None
        try:
            # Python takes "2026-W48" for the Monday of that week.
            if not _DAY.match(value):
                raise ValueError
            if day := parse_date(value):
                if self.end_of_day and day == date.max:
                    return END_OF_TIME
                if not self.end_of_day and day == date.min:
                    return BEGINNING_OF_TIME
                start = datetime.combine(day, time.min)
                wanted = start + timedelta(days=1) if self.end_of_day else start
                # In UTC here: what UTC cannot express would be a crash where the statement is written.
                return timezone.make_aware(wanted).astimezone(UTC)
            # In a query string an unescaped + arrives as a space.
            moment = parse_datetime(value.replace(" ", "+")) or parse_datetime(value)
            if moment:
                return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            pass
        raise ValidationError(self.error_messages["invalid_moment"], code="invalid_moment")


class ListFilter(django_filters.FilterSet):
    """The filters of a list. Each has the label that people know it by."""

    spans: ClassVar[tuple[tuple[str, str], ...]] = ()
    """The filters of the two ends of a span, the earlier one first."""

    def makes_sense(self) -> bool:
        """Is every value valid, and no span the wrong way round?

        To a program such a span is an empty list; a person would take that for "there are none".
        """
        for field in self.form.fields.values():
            if isinstance(field, MomentField):  # people choose days only
                field.error_messages["invalid_moment"] = _("Enter a valid date.")
        if not self.form.is_valid():
            return False
        wanted = dict(self.form.cleaned_data)
        for first, last in self.spans:
            start, end = wanted[first], wanted[last]
            if start is None or end is None:
                continue
            # The end of a span of moments is the first that is not wanted.
            if end < start or (end == start and isinstance(end, datetime)):
                label = self.form.fields[first].label
                self.form.add_error(
                    last,
                    _("The end cannot be before the beginning.")
                    if isinstance(end, date)
                    else _("Cannot be less than “%(label)s”.") % {"label": label},
                )
        return not self.form.errors


class FromFilter(django_filters.Filter):
    """From this moment or the beginning of this day, inclusive."""

    field_class = MomentField

    def __init__(self, field_name: str, **kwargs: Any) -> None:
        super().__init__(field_name, lookup_expr="gte", **kwargs)


class ToFilter(django_filters.Filter):
    """Before this moment, or to the end of this day."""

    field_class = MomentField

    def __init__(self, field_name: str, **kwargs: Any) -> None:
        super().__init__(field_name, lookup_expr="lt", end_of_day=True, **kwargs)


class DayFilter(django_filters.DateFilter):
    """A day, written in one way: an address means the same to readers of every language."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, input_formats=["%Y-%m-%d"])


class MoneyFilter(django_filters.Filter):
    """An amount as people write it, "1.234,56", or as programs do, "1234.56"; what could be either is refused."""

    field_class = MoneyField


class StrictBooleanField(forms.Field):
    """`true` or `false`."""

    def to_python(self, value: Any) -> bool | None:
        if value in self.empty_values:
            return None
        if value in {"true", "false"}:
            return bool(value == "true")
        raise ValidationError(_("Use true or false."), code="invalid_boolean")


class FlagFilter(django_filters.Filter):
    """`?is_active=true`."""

    field_class = StrictBooleanField


class IdField(forms.IntegerField):
    """A record's id, within what databases keep."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"min_value": 1, "max_value": 2**63 - 1, **kwargs})


class IdFilter(django_filters.Filter):
    """`?customer_id=7`."""

    field_class = IdField


def apply[M: models.Model](
    filterset: type[django_filters.FilterSet],
    data: QueryDict,
    queryset: QuerySet[M],
    *,
    request: HttpRequest | None = None,
) -> QuerySet[M]:
    """The rows that `data` asks for; a wrong value is refused by name, never ignored.

    Raises:
        Invalid: with one error a wrong parameter.
    """
    bound = filterset(data, queryset=queryset, request=request)
    if bound.is_valid():
        return bound.qs
    errors = [
        FieldError(pointer=name, code=error.code or "invalid", detail=" ".join(error.messages))
        for name, problems in bound.form.errors.as_data().items()
        for error in problems
    ]
    raise Invalid("; ".join(f"{e['pointer']}: {e['detail']}" for e in errors), errors=errors)
