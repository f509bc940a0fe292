"""Search by beginnings of words: what a word is, and that the index finds just those, on every database."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.models import Product, ProductWord
from erp_site.core import search

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

    @given(st.text(min_size=1), st.text())
    def test_case_and_accents_never_hide_a_word(self, one: str, other: str) -> None:
        assert search.words(f"{one} {other}") == search.words(f"{one.casefold()} {other}")


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
