"""How values are shown in either language."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import timezone, translation
from django.utils.formats import date_format

from erp_site.core import clock
from erp_site.templatetags.formats import (
    day,
    long_day,
    moment,
    money,
    percent,
    signed,
    signed_percent,
    telephone,
    whole,
)

THIS_YEAR = clock.today().year


@pytest.mark.parametrize(
    ("shown", "portuguese", "english"),
    [
        (lambda: money(Decimal("1234.5")), "R$\xa01.234,50", "R$\xa01,234.50"),
        (lambda: money(None), "", ""),
        (lambda: whole(1234), "1.234", "1,234"),
        (lambda: signed(-1234), "−1.234", "−1,234"),  # noqa: RUF001 -- a true minus sign
        (lambda: signed(12), "+12", "+12"),
        (lambda: percent(Decimal("7.50")), "7,5\xa0%", "7.5\xa0%"),
        (lambda: percent(Decimal("50.00")), "50\xa0%", "50\xa0%"),
        (lambda: percent("12.50"), "12,5\xa0%", "12.5\xa0%"),
        (lambda: signed_percent(Decimal("25146.6")), "+25.146,6\xa0%", "+25,146.6\xa0%"),
        (lambda: signed_percent(Decimal("2.5")), "+2,5\xa0%", "+2.5\xa0%"),
        (lambda: signed_percent(Decimal("-20.0")), "−20\xa0%", "−20\xa0%"),  # noqa: RUF001 -- as above
        (lambda: signed_percent(Decimal("0.0")), "0\xa0%", "0\xa0%"),
        (lambda: day(date(THIS_YEAR, 3, 9)), "09/03", "Mar 9"),
        (lambda: day(date(2019, 3, 9)), "09/03/2019", "Mar 9, 2019"),
        (
            lambda: date_format(
                datetime(2026, 11, 12, 15, 30, tzinfo=UTC), "SHORT_DATETIME_FORMAT"
            ),
            "12/11/2026 15:30",
            "Nov 12, 2026, 15:30",
        ),
        (
            lambda: date_format(date(2026, 11, 12), "SHORT_DATE_FORMAT"),
            "12/11/2026",
            "Nov 12, 2026",
        ),
        (lambda: long_day(date(2026, 11, 26)), "26 de novembro de 2026", "Nov. 26, 2026"),
        (
            lambda: moment(datetime(2019, 3, 9, 15, 30, tzinfo=UTC)),
            "09/03/2019 12:30",
            "Mar 9, 2019, 12:30",
        ),
    ],
)
def test_values_in_the_readers_language(
    shown: Callable[[], str], portuguese: str, english: str
) -> None:
    answers = []
    for language in ("pt-br", "en"):
        with translation.override(language):
            answers.append(shown())
    assert answers == [portuguese, english]


def test_what_is_remembered_of_a_time_is_not_told_in_another_year_zone_or_language() -> None:
    when = datetime(THIS_YEAR, 3, 9, 15, 30, tzinfo=UTC)
    with translation.override("en"):
        assert (moment(when), day(when.date())) == ("Mar 9, 12:30", "Mar 9")
        with clock.moved_to(when.replace(year=THIS_YEAR + 1)):
            assert moment(when) == f"Mar 9, {THIS_YEAR}, 12:30"
            assert day(when.date()) == f"Mar 9, {THIS_YEAR}"
        with timezone.override("UTC"):
            assert moment(when) == "Mar 9, 15:30"
        assert (moment(when), day(when.date())) == ("Mar 9, 12:30", "Mar 9")
    with translation.override("pt-br"):
        assert (moment(when), day(when.date())) == ("09/03 12:30", "09/03")


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("(11) 5550-1067", '<a href="tel:1155501067">(11) 5550-1067</a>'),
        ("+55 11 95550.1067", '<a href="tel:+5511955501067">+55 11 95550.1067</a>'),
        ("5550-1067 ramal 3", "5550-1067 ramal 3"),
        ("5550-1067 / 5550-1068", "5550-1067 / 5550-1068"),
        ("", ""),
    ],
)
def test_a_telephone_number_is_dialled_by_a_touch(text: str, link: str) -> None:
    assert telephone(text) == link
