"""What a form that was overtaken keeps, and what it takes."""

from decimal import Decimal
from typing import Any

import pytest
from django import forms
from django.http import QueryDict
from django.utils import translation

from erp_site.core.editing import OPENED, Overtaken, overtaken, remember
from erp_site.core.fields import MoneyField, WholeField

pytestmark = pytest.mark.django_db
BEFORE: dict[str, Any] = {
    "name": "Ana",
    "price": Decimal("1234.50"),
    "count": None,
    "is_on": True,
    "is_new": False,
    "lines": "a\nb",
    "version": 1,
}
#: What a browser sends of it when nothing is touched: a checkbox that is off is not there.
UNTOUCHED = {
    "name": "Ana",
    "price": "1,234.50",
    "count": "",
    "is_on": "on",
    "lines": "a\r\nb",
    "version": "1",
}


class ThingForm(forms.Form):
    name = forms.CharField(label="Name")
    price = MoneyField(label="Price")
    count = WholeField(label="Count", required=False)
    is_on = forms.BooleanField(label="On", required=False)
    is_new = forms.BooleanField(label="New", required=False)
    lines = forms.CharField(label="Lines", required=False, widget=forms.Textarea)
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)


def refused(now: dict[str, Any], opened: str | None = None, **typed: str | None) -> Overtaken:
    """The form opened on BEFORE and sent with `typed` (None: not there), where the record is `now` by then."""
    data = QueryDict(mutable=True)
    for name, value in {**UNTOUCHED, **typed}.items():
        if value is not None:
            data[name] = value
    data[OPENED] = remember(ThingForm(), BEFORE) if opened is None else opened
    form = ThingForm(data)
    assert form.is_valid(), form.errors
    return overtaken("thing", 1, form, data, {**BEFORE, "version": 2, **now})


def joined(found: Overtaken) -> dict[str, Any]:
    form = ThingForm(found.data)
    assert form.is_valid(), form.errors
    return form.cleaned_data


def test_what_was_not_touched_takes_the_newer_value_whatever_its_kind() -> None:
    now = {"price": Decimal("9.90"), "count": 1200, "is_on": False, "is_new": True, "lines": "c"}
    found = refused(now, name="Bia")
    assert (found.differences, found.changes) == ([], True)
    assert found.taken == ["Price", "Count", "On", "New", "Lines"]
    assert joined(found) == {"name": "Bia", **now, "version": 2}


def test_what_one_changed_is_kept_also_when_it_is_emptied_or_switched() -> None:
    found = refused({"name": "Bia"}, lines="", is_on=None, is_new="on", count="1,000")
    assert (found.differences, found.taken, found.changes) == ([], ["Name"], True)
    kept = {"count": 1000, "is_on": False, "is_new": True, "lines": ""}
    assert joined(found) == {**BEFORE, "name": "Bia", **kept, "version": 2}


def test_what_both_changed_is_asked_about_unless_they_changed_it_alike() -> None:
    found = refused({"name": "Bia", "price": Decimal("2.00")}, name="Carla", price="2")
    assert [(it.label, it.now, it.typed) for it in found.differences] == [("Name", "Bia", "Carla")]
    assert (found.taken, found.changes) == ([], True)
    assert joined(found)["name"] == "Carla"


def test_a_form_in_which_nothing_was_touched_would_change_nothing() -> None:
    found = refused({"name": "Bia"})
    assert (found.differences, found.taken, found.changes) == ([], ["Name"], False)


@pytest.mark.parametrize("opened", ["", "tampered:with:it"])
def test_a_form_that_does_not_tell_what_it_held_is_asked_about_all_that_differs(
    opened: str,
) -> None:
    found = refused({"price": Decimal("2.00")}, opened, name="Bia")
    assert [it.label for it in found.differences] == ["Name", "Price"]
    assert joined(found)["price"] == BEFORE["price"]
    # The next time it tells.
    assert found.data[OPENED] != opened


def test_what_was_opened_in_another_language_is_read_as_what_it_was() -> None:
    with translation.override("en"):
        opened = remember(ThingForm(), {**BEFORE, "price": Decimal("1.50")})
    with translation.override("pt-br"):
        found = refused({"price": Decimal("2.00")}, opened, price="1,50")
    assert (found.differences, found.taken) == ([], ["Price"])


def test_a_choice_is_read_by_its_label() -> None:
    class Chosen(forms.Form):
        size = forms.TypedChoiceField(
            label="Size", coerce=int, choices=[(1, "small"), (2, "large"), (3, "huge")]
        )

    opened = remember(Chosen(), {"size": 1})
    data = QueryDict(mutable=True)
    data.update({"size": "2", OPENED: opened})
    form = Chosen(data)
    assert form.is_valid()
    found = overtaken("thing", 1, form, data, {"size": 3, "version": 2})
    assert [(it.now, it.typed) for it in found.differences] == [("huge", "large")]
    assert found.data["size"] == "2"
