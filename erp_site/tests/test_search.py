"""Search by beginnings of words: what a word is, and that the index finds just those, on every database."""

import importlib
import time
from typing import Any, Final

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User, UserWord
from catalog.models import Product, ProductWord
from customers.models import Customer, CustomerWord
from erp_site import integrity
from erp_site.core import search
from erp_site.integrity import Rule
from orders.models import Order

migration: Final = importlib.import_module("orders.migrations.0006_fold_again")

NAMES: Final = [
    "Parafuso sextavado M8 x 100",
    "Ação rápida",
    "ACAO",
    "Éter etílico",
    "zz top",
    "zzz",
    "z9 z99",
    "Straße 7",
    "Øresund",
    "日本 茶",
    "a-b_c.d/e",
    "  ",
    "😀 feliz",
    "x" * 60,
    "9 99 999",
]


class TestWords:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("Ação  RÁPIDA", ["acao", "rapida"]),
            ("Parafuso M8x100", ["parafuso", "m8x100"]),
            ("a-b_c.d/e", ["a", "b", "c", "d", "e"]),
            ("twice Twice TWICE", ["twice"]),
            ("Straße", ["strasse"]),
            ("ﬁm", ["fim"]),
            ("Sala № 5", ["sala", "no", "5"]),
            ("Selo™ a 5 ℃", ["selotm", "a", "5", "c"]),
            ("", []),
            ("!?", []),
            ("x" * 100, ["x" * search.LONGEST_WORD]),
            (" ".join(map(str, range(100))), [str(n) for n in range(search.MOST_WORDS)]),
        ],
    )
    def test_text_is_folded_to_plain_words(self, text: str, words: list[str]) -> None:
        assert search.words(text) == words

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("OC 5053/2026", "50532026"),
            ("oc-5053.2026", "50532026"),
            ("0005053", "5053"),
            ("PO A1-B2", "1b2"),
            ("São João", ""),
            ("№ 5053™", "5053tm"),
            ("000", ""),
            (" / ", ""),
            ("9" * 64, "9" * search.LONGEST_WORD),
        ],
    )
    def test_a_number_of_others_counts_from_its_first_digit(self, text: str, code: str) -> None:
        assert search.as_code(text) == code

    @given(st.text())
    def test_any_text_becomes_plain_ascii_words_once(self, text: str) -> None:
        words = search.words(text)
        assert all(word.isascii() and word.isalnum() and word == word.lower() for word in words)
        assert len(set(words)) == len(words)
        assert search.words(" ".join(words)) == words

    @given(st.text())
    def test_what_is_folded_has_no_capitals_and_is_folded_to_itself(self, text: str) -> None:
        folded = search.fold(text)
        assert folded == folded.lower() == search.fold(folded)

    def test_no_sign_keeps_a_capital(self) -> None:
        signs = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
        some = (" ".join(signs[at : at + 500]) for at in range(0, len(signs), 500))
        assert [it for it in " ".join(map(search.fold, some)).split() if it != it.lower()] == []

    def test_a_long_row_of_accents_is_no_long_work(self) -> None:
        """All other requests of the process waited: as long as it was, squared."""
        accents = "\u0315\u0300" * 20_000
        began = time.perf_counter()
        assert search.words(f"Ação {accents}") == ["acao"]
        assert time.perf_counter() - began < 0.5
        assert search.words("a " * 20_000 + "tea") == ["a", "tea"]

    @given(st.text(min_size=1), st.text())
    def test_case_and_accents_never_hide_a_word(self, one: str, other: str) -> None:
        assert search.words(f"{one} {other}") == search.words(f"{one.casefold()} {other}")


@pytest.mark.django_db
class TestFoldedAgain:
    """Rows that an older version folded: "№" to "No", of which the search found the "o" alone."""

    @pytest.fixture
    def old(self, place: Any, make_product: Any, make_customer: Any, make_user: Any) -> None:
        """One of each with such a sign, as they were written then; and those that need nothing."""
        product = make_product("C-1", name="Selo™ é 7")
        customer = make_customer("Loja № 5")
        user = make_user(name="Ana ℡")
        order = place((product, 1), customer_reference="OC 5053™")
        for name in ("Café", "Plain", "日本"):
            make_product(name=name)
            make_customer(name)
            place((product, 1), customer_reference=f"{name} 7")
        written: tuple[tuple[Any, Any, Any, str, set[str]], ...] = (
            (Product, ProductWord, product, "seloTM e 7", {"selo", "e", "7"}),
            (Customer, CustomerWord, customer, "loja No 5", {"loja", "o", "5"}),
            (User, UserWord, user, "ana TEL", {"ana", *search.words(user.email)}),
        )
        for kind, table, row, sorted_name, words in written:
            kind._base_manager.filter(pk=row.pk).update(sorted_name=sorted_name)
            of_this = table._base_manager.filter(owner_id=row.pk)
            of_this.exclude(word__startswith=".").delete()
            table._base_manager.bulk_create(table(owner_id=row.pk, word=it) for it in words)
        Order.objects.filter(pk=order.pk).update(reference_code="5053")

    @staticmethod
    def wrong() -> dict[str, list[str]]:
        examples = integrity.inspect().examples
        return {
            rule.name: examples[rule] for rule in (Rule.SORTED, Rule.SEARCH) if rule in examples
        }

    def test_they_are_as_if_written_now_and_no_other_row_is_touched(self, old: None) -> None:
        assert [len(examples) for examples in self.wrong().values()] == [3, 4]
        with CaptureQueriesContext(connection) as queries:
            migration.fold_all(apps, None)
        assert self.wrong() == {}
        assert sum(it["sql"].startswith("UPDATE") for it in queries) == 4


@pytest.mark.django_db
class TestIndex:
    @pytest.fixture
    def shelf(self, make_product: Any) -> dict[str, int]:
        return {
            name: make_product(f"CODE-{n}", name=name).pk
            for n, name in enumerate(NAMES)
            if name.strip()
        }

    def found(self, text: str, **kwargs: Any) -> set[int]:
        matches = search.matching(Product.objects.all(), ProductWord, text, **kwargs)
        return set(matches.values_list("pk", flat=True))

    def test_each_beginning_of_each_word_finds_those_that_have_it(
        self, shelf: dict[str, int], subtests: pytest.Subtests
    ) -> None:
        every = {word for name in shelf for word in search.words(name)}
        beginnings = {word[:end] for word in every for end in range(1, min(len(word), 6) + 1)}
        for beginning in sorted(beginnings | {"q", "zzzz", "0", "m8xx"}):
            expected = {
                pk
                for name, pk in shelf.items()
                if any(word.startswith(beginning) for word in search.words(name))
            }
            with subtests.test(beginning=beginning):
                assert self.found(beginning) == expected
                assert self.found(beginning.upper()) == expected

    def test_every_word_must_be_found(self, shelf: dict[str, int]) -> None:
        assert self.found("rap ac") == {shelf["Ação rápida"]}
        assert self.found("acao") == {shelf["Ação rápida"], shelf["ACAO"]}
        assert self.found("acao lenta") == set()

    def test_text_without_a_word_finds_nothing_and_no_text_everything(
        self, shelf: dict[str, int]
    ) -> None:
        assert self.found("!?") == set()
        assert self.found("") == self.found("  ") == set(shelf.values())

    def test_codes_are_found_only_where_they_are_asked_for(self, shelf: dict[str, int]) -> None:
        assert self.found("code") == set()
        assert self.found("code", codes=True) == set(shelf.values())
        assert self.found("code 99", codes=True) == {shelf["9 99 999"]}

    def test_a_long_word_is_found_by_any_of_its_beginning(self, shelf: dict[str, int]) -> None:
        assert self.found("x" * 60) == {shelf["x" * 60]}
        assert self.found("x" * 41) == {shelf["x" * 60]}
