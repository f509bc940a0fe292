"""Barcodes by their check digit. The numbers are examples of the GS1 General Specifications and of ISBN."""

import pytest

from erp_site.core import gtin


@pytest.mark.parametrize(
    "number", ["96385074", "036000291452", "4006381333931", "9780306406157", "10614141000415"]
)
def test_a_right_gtin_is_valid_and_one_digit_off_is_not(number: str) -> None:
    assert gtin.is_valid(number)
    assert [
        gtin.is_valid(number[:i] + str((int(number[i]) + 1) % 10) + number[i + 1 :])
        for i in range(len(number))
    ] == [False] * len(number)


@pytest.mark.parametrize("text", ["", "0", "1234567", "123456789", "40063813339310", "٩٦٣٨٥٠٧٤"])
def test_another_length_or_alphabet_is_no_gtin(text: str) -> None:
    assert not gtin.is_valid(text)


def test_spaces_and_hyphens_do_not_count() -> None:
    assert gtin.normalise(" 978-0-306 40615-7 ") == "9780306406157"
