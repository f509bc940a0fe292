"""Money to the cent; CPF and both kinds of CNPJ to the check digit."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_site.core import money, taxid

CPF_ROOTS = st.text("0123456789", min_size=9, max_size=9)
CNPJ_ROOTS = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=12, max_size=12)


class TestMoney:
    @pytest.mark.parametrize(
        ("amount", "text"),
        [
            ("10", "10.00"),
            ("10.5", "10.50"),
            ("0.005", "0.01"),
            ("1.005", "1.01"),
            ("2.675", "2.68"),
            ("0.0049", "0.00"),
            ("-0.005", "-0.01"),
            ("1E+3", "1000.00"),
            ("9999999999999.99", "9999999999999.99"),
        ],
    )
    def test_halves_go_away_from_zero_and_there_is_no_exponent(
        self, amount: str, text: str
    ) -> None:
        assert money.to_text(Decimal(amount)) == text

    @given(st.decimals(0, money.LARGEST, places=2))
    def test_an_amount_in_cents_is_kept(self, amount: Decimal) -> None:
        assert Decimal(money.to_text(amount)) == amount == money.to_cents(amount)

    @pytest.mark.parametrize(
        ("price", "discount", "left"),
        [
            ("10.00", "0", "10.00"),
            ("10.00", "7.50", "9.25"),
            ("0.99", "50", "0.50"),  # half a cent goes up
            ("0.01", "99.99", "0.01"),  # nothing is given away
            ("99999999.99", "0.01", "99989999.99"),
        ],
    )
    def test_a_discount_leaves_whole_cents_and_one_at_least(
        self, price: str, discount: str, left: str
    ) -> None:
        found = money.discounted(Decimal(price), Decimal(discount))
        assert (found, found.as_tuple().exponent) == (Decimal(left), -2)


class TestTaxIds:
    @pytest.mark.parametrize(
        "tax_id",
        [
            "52998224725",  # a CPF
            "11144477735",
            "11222333000181",  # a CNPJ of digits
            "12ABC34501DE35",  # the example of IN RFB 2.229/2024
        ],
    )
    def test_right_ones_are_valid(self, tax_id: str) -> None:
        assert taxid.is_valid(tax_id)

    @pytest.mark.parametrize(
        "tax_id",
        [
            "",
            "0",
            "52998224724",
            "5299822472",
            "529982247250",
            "00000000000",
            "11111111111",
            "11222333000180",
            "00000000000000",
            "12ABC34501DE53",
            "12ABC34501DEA5",
            "12abc34501de35",
            "12ÁBC34501DE35",
            "٥٢٩٩٨٢٢٤٧٢٥",
            "52998224725\n",
            "529.982.247-25",
        ],
    )
    def test_wrong_ones_are_not(self, tax_id: str) -> None:
        assert not taxid.is_valid(tax_id)

    @pytest.mark.parametrize(
        ("written", "stored"),
        [
            ("529.982.247-25", "52998224725"),
            (" 12.abc.345/01de-35 ", "12ABC34501DE35"),
            ("12 ABC 345 01DE 35", "12ABC34501DE35"),
        ],
    )
    def test_punctuation_and_case_do_not_count(self, written: str, stored: str) -> None:
        assert taxid.normalise(written) == stored

    @given(CPF_ROOTS)
    def test_a_cpf_with_its_digits_is_valid_and_survives_being_written(self, root: str) -> None:
        tax_id = root + taxid.cpf_check_digits(root)
        assert taxid.is_valid(tax_id) == (len(set(tax_id)) > 1)
        assert taxid.normalise(taxid.formatted(tax_id)) == tax_id

    @given(CNPJ_ROOTS)
    def test_a_cnpj_with_its_digits_is_valid_and_survives_being_written(self, root: str) -> None:
        tax_id = root + taxid.cnpj_check_digits(root)
        assert taxid.is_valid(tax_id) == (len(set(tax_id)) > 1)
        assert taxid.normalise(taxid.formatted(tax_id)) == tax_id

    @given(CNPJ_ROOTS, st.integers(0, 11), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    def test_one_wrong_place_is_noticed_unless_both_digits_happen_to_fit(
        self, root: str, place: int, other: str
    ) -> None:
        changed = root[:place] + other + root[place + 1 :]
        tax_id = changed + taxid.cnpj_check_digits(root)
        fits = taxid.cnpj_check_digits(changed) == taxid.cnpj_check_digits(root)
        assert taxid.is_valid(tax_id) == (fits and len(set(tax_id)) > 1)

    @pytest.mark.parametrize(
        ("tax_id", "shown"),
        [("52998224725", "***9822****"), ("12ABC34501DE35", "***BC34*******")],
    )
    def test_four_places_are_shown_to_those_who_may_not_see_it(
        self, tax_id: str, shown: str
    ) -> None:
        assert taxid.masked(tax_id) == shown
        assert (
            taxid.formatted(shown)
            .replace("*", "")
            .replace(".", "")
            .replace("/", "")
            .replace("-", "")
            == tax_id[3:7]
        )
