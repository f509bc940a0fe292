"""Search by word beginnings through an indexed table, the same on SQLite, MariaDB and MySQL.

LIKE '%x%' reads the whole table and full-text differs between engines. Here each searchable row has one
row a word, folded to plain a-z and 0-9, and a prefix is a range: `silv` is `>= 'silv' AND < 'silw'`. Digits
sort before letters in every collation, so the range means the same everywhere.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from django.db import models
from django.db.models import Exists, OuterRef, Q

LONGEST_WORD: Final = 40
MOST_WORDS: Final = 40
MOST_TERMS: Final = 6
_LAST: Final = "z"


def fold(text: str) -> str:
    """Lower case, without accents, all other letters spelled as their code point: "Ação" -> "acao"."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(
        c if c.isascii() else f"u{ord(c):x}"
        for c in plain
        if not unicodedata.combining(c) and (c.isascii() or c.isalnum())
    )


def words(*texts: str) -> list[str]:
    """The distinct words of `texts` in order, folded and cut to the column's length."""
    found = re.findall(r"[a-z0-9]+", " ".join(fold(text) for text in texts))
    return list(dict.fromkeys(word[:LONGEST_WORD] for word in found))[:MOST_WORDS]


def _after(prefix: str) -> str | None:
    """The first string that no longer begins with `prefix`; None if there is none."""
    head = prefix.rstrip(_LAST)
    if not head:
        return None
    last = head[-1]
    return head[:-1] + ("a" if last == "9" else chr(ord(last) + 1))


def begins_with(column: str, prefix: str) -> Q:
    """`column` begins with `prefix` (both folded), as a range that uses the column's index."""
    end = _after(prefix)
    condition = Q(**{f"{column}__gte": prefix})
    return condition & Q(**{f"{column}__lt": end}) if end else condition


class SearchWord(models.Model):
    """One word of one searchable row. Subclasses add `owner`, a foreign key named so."""

    word = models.CharField(max_length=LONGEST_WORD)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.word

    @classmethod
    def index(cls, owner_id: int, *texts: str) -> None:
        """Make the words of this owner those of `texts`. Part of the owner's own transaction."""
        wanted = set(words(*texts))
        rows = cls._default_manager.filter(owner_id=owner_id)
        present = set(rows.values_list("word", flat=True))
        if gone := present - wanted:
            rows.filter(word__in=gone).delete()
        cls.index_new((owner_id, word) for word in sorted(wanted - present))

    @classmethod
    def index_new(cls, pairs: Iterable[tuple[int, str]]) -> None:
        """Add (owner id, word) rows known to be new."""
        cls._default_manager.bulk_create(cls(owner_id=owner, word=word) for owner, word in pairs)


def matching[M: models.Model](
    queryset: models.QuerySet[M], table: type[SearchWord], text: str
) -> models.QuerySet[M]:
    """Rows of `queryset` that have, for every word of `text`, a word beginning with it."""
    terms = words(text)[:MOST_TERMS]
    if not terms:
        return queryset.none() if text.strip() else queryset
    manager: models.Manager[Any] = table._default_manager
    # The longest term is the most selective: it drives, as an IN over its index; the others are
    # checked a row at a time.
    driver, *others = sorted(terms, key=len, reverse=True)
    queryset = queryset.filter(
        pk__in=manager.filter(begins_with("word", driver)).values("owner_id")
    )
    for term in others:
        queryset = queryset.filter(
            Exists(manager.filter(begins_with("word", term), owner_id=OuterRef("pk")))
        )
    return queryset
