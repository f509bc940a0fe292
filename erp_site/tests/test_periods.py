"""Spans of days by their names, and the filters that offer them."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from urllib.parse import parse_qs

import pytest
from django.test import Client
from django.utils import translation
from django.utils.html import strip_tags

from accounts.models import User
from erp_site.core import clock
from erp_site.core.periods import COMING, PAST, periods


@pytest.mark.parametrize(
    ("now", "spans"),
    [
        (
            datetime(2026, 11, 25, 12, tzinfo=UTC),  # a Wednesday
            {
                "Hoje": ("2026-11-25", "2026-11-25"),
                "Ontem": ("2026-11-24", "2026-11-24"),
                "Amanhã": ("2026-11-26", "2026-11-26"),
                "Esta semana": ("2026-11-22", "2026-11-28"),
                "Semana passada": ("2026-11-15", "2026-11-21"),
                "Semana que vem": ("2026-11-29", "2026-12-05"),
                "Este mês": ("2026-11-01", "2026-11-30"),
                "Mês passado": ("2026-10-01", "2026-10-31"),
                "Mês que vem": ("2026-12-01", "2026-12-31"),
            },
        ),
        (
            # A Sunday in Brazil, and the first of March in London.
            datetime(2027, 3, 1, 1, tzinfo=UTC),
            {
                "Hoje": ("2027-02-28", "2027-02-28"),
                "Ontem": ("2027-02-27", "2027-02-27"),
                "Amanhã": ("2027-03-01", "2027-03-01"),
                "Esta semana": ("2027-02-28", "2027-03-06"),
                "Semana passada": ("2027-02-21", "2027-02-27"),
                "Semana que vem": ("2027-03-07", "2027-03-13"),
                "Este mês": ("2027-02-01", "2027-02-28"),
                "Mês passado": ("2027-01-01", "2027-01-31"),
                "Mês que vem": ("2027-03-01", "2027-03-31"),
            },
        ),
        (
            datetime(2027, 1, 1, 15, tzinfo=UTC),  # over the end of a year
            {
                "Ontem": ("2026-12-31", "2026-12-31"),
                "Esta semana": ("2026-12-27", "2027-01-02"),
                "Mês passado": ("2026-12-01", "2026-12-31"),
            },
        ),
    ],
)
def test_a_span_has_the_days_that_its_name_means_on_this_day(
    now: datetime, spans: dict[str, tuple[str, str]]
) -> None:
    with clock.moved_to(now), translation.override("pt-br"):
        found = {
            str(period.label): (period.first.isoformat(), period.last.isoformat())
            for period in (*periods(PAST), *periods(COMING))
        }
    assert {name: found[name] for name in spans} == spans


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "filters"),
    [("/orders/", ["created", "due"]), ("/customers/", ["created"]), ("/activity", ["created"])],
)
def test_each_span_is_a_link_that_keeps_the_other_filters_and_is_off_when_it_is_on(
    desk_of: Callable[[User], Client], admin: User, path: str, filters: list[str]
) -> None:
    def links(query: str) -> dict[tuple[str, str], str]:
        page = desk_of(admin).get(f"{path}?{query}").content.decode()
        groups = re.findall(r"<div class=\"periods\".*?</div>", page, re.DOTALL)
        assert len(groups) == len(filters)
        return {
            (name, strip_tags(words)): address.replace("&amp;", "&")
            for name, group in zip(filters, groups, strict=True)
            for address, words in re.findall(
                r'<a class="pill" href="([^"]*)"[^>]*>(.*?)</a>', group
            )
        }

    with clock.moved_to(datetime(2026, 11, 25, 12, tzinfo=UTC)):
        found = links("sort=created_at&page=2")
        assert len(found) == 6 * len(filters)
        for name in filters:
            chosen = parse_qs(found[name, "This week"].removeprefix("?"))
            days = {f"{name}_from": [str(date(2026, 11, 22))], f"{name}_to": ["2026-11-28"]}
            assert chosen == {"sort": ["created_at"], **days}
            again = links(found[name, "This week"].removeprefix("?"))[name, "This week"]
            assert again == "?sort=created_at"
