"""Search by word beginnings through an indexed table, the same on SQLite, MariaDB and MySQL.

LIKE '%x%' reads the whole table and full-text differs between engines. Here each searchable row has one
row a word, folded to plain a-z and 0-9, and a prefix is a range: `silv` is `>= 'silv' AND < 'silw'`. Digits
sort before letters in every collation, so the range means the same everywhere. The words of codes (a SKU)
carry a mark, so that a search finds them and a filter by name does not.
"""

import functools
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.fields.related_lookups import RelatedIn
from django.db.models.lookups import In

from .statements import Insert

LONGEST_WORD: Final = 40
MOST_WORDS: Final = 40
MOST_TERMS: Final = 6
#: Characters of a text with accents that are looked at: more than any field has that is found by its words.
LONGEST_FOLDED: Final = 1_000
_LAST: Final = "z"
_CODE: Final = "."
#: Above every character in every collation of SQLite, MariaDB and MySQL.
_ABOVE_ALL: Final = "\U0010ffff"
#: Up to this many ids are sent back as a list; beyond, the database works with both conditions at once.
_FEW: Final = 500


def plain(text: str) -> str:
    """Lower case, without accents: what all spellings of one name have in common."""
    if not text.isascii():
        # A row of accents is sorted, which takes time by the square of its length, and all other requests of the
        # process wait: half a megabyte of them, typed as a search, took minutes.
        text = text[:LONGEST_FOLDED]
    # Twice, since each makes work for the other: "№" is taken apart into "No", which has a capital then.
    spelled = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in spelled if not unicodedata.combining(c))


def fold(text: str) -> str:
    """The same in ASCII, all other letters spelled as their code point and other signs left out: "Ação" -> "acao"."""
    return "".join(
        c if c.isascii() else f"u{ord(c):x}" for c in plain(text) if c.isascii() or c.isalnum()
    )


def sorted_as(name: str) -> str:
    """What a list sorts this name by: "Óleo" between "Oleandro" and "olho"."""
    return fold(name)[:255]


def as_code(text: str) -> str:
    """What a number that others gave is found by: "OC 5053/2026", "oc-5053" and "05053" all begin with "5053".

    What stands before its first digit says whose number it is, and is written in as many ways as there are people.
    Empty if there is no digit.
    """
    plain = re.sub(r"[^a-z0-9]", "", fold(text))
    return plain.lstrip("0abcdefghijklmnopqrstuvwxyz")[:LONGEST_WORD]


def sort_all(model: type[models.Model]) -> None:
    """For migrations: write the `sorted_name` of all rows that are there."""
    rows = model._base_manager.order_by("pk").only("pk", "name")
    last = 0
    while some := list(rows.filter(pk__gt=last)[:1000]):
        for row in some:
            row.sorted_name = sorted_as(row.name)  # type: ignore[attr-defined]  # fields of Named
        model._base_manager.bulk_update(some, ["sorted_name"])
        last = some[-1].pk


def fold_again(model: type[models.Model], table: type[models.Model], *names: str) -> None:
    """For migrations: write again what rows are sorted and found by, if their `names` ("name" first) had signs in them
    whose parts kept their capitals, such as "№" and "™". All other rows are as they were, and are left alone.
    """
    rows = model._base_manager.order_by("pk").values_list("pk", *names)
    index = table._base_manager
    last = 0
    while some := list(rows.filter(pk__gt=last)[:1000]):
        last = some[-1][0]
        for pk, *texts in some:
            if not any(map(_kept_capitals, texts)):
                continue
            model._base_manager.filter(pk=pk).update(sorted_name=sorted_as(texts[0]))
            wanted = set(words(*texts))
            of_this = index.filter(owner_id=pk).exclude(word__startswith=_CODE)
            present = set(of_this.values_list("word", flat=True))
            of_this.filter(word__in=present - wanted).delete()
            missing = sorted(wanted - present)
            index.bulk_create(table(owner_id=pk, word=word) for word in missing)


def _kept_capitals(text: str) -> bool:
    if text.isascii():
        return False
    once = unicodedata.normalize("NFKD", text.casefold())
    return once != once.casefold()


def words(*texts: str) -> list[str]:
    """The distinct words of `texts` in order, folded and cut to the column's length."""
    found = re.findall(r"[a-z0-9]+", " ".join(fold(text) for text in texts))
    return list(dict.fromkeys(word[:LONGEST_WORD] for word in found))[:MOST_WORDS]


def indexed(*texts: str, codes: Iterable[str] = ()) -> set[str]:
    """What the index holds for a row with these texts and codes."""
    return {*words(*texts), *(_CODE + word[: LONGEST_WORD - 1] for word in words(*codes))}


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


def prefixed(column: str, prefix: str) -> Q:
    """`column`, a normalised text, begins with `prefix`: a range, since no LIKE uses an index on all databases."""
    return Q(**{f"{column}__gte": prefix, f"{column}__lt": prefix + _ABOVE_ALL})


class SearchWord(models.Model):
    """One word of one searchable row. Subclasses add `owner`, a foreign key named so."""

    word = models.CharField(max_length=LONGEST_WORD)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.word

    @classmethod
    def index(
        cls, owner_id: int, *texts: str, codes: Iterable[str] = (), is_new: bool = False
    ) -> None:
        """Make the words of this owner those of `texts` and `codes`. Part of the owner's own transaction.

        An owner who `is_new` has no words yet, so none are looked for.
        """
        wanted = indexed(*texts, codes=codes)
        present: set[str] = set()
        if not is_new:
            manager: models.Manager[Any] = cls._default_manager
            rows = manager.filter(owner_id=owner_id)
            present = set(rows.values_list("word", flat=True))
            if gone := present - wanted:
                rows.filter(word__in=gone).delete()
        if missing := wanted - present:
            _insert(cls)([(owner_id, word) for word in sorted(missing)])


@functools.cache
def _insert(table: type[SearchWord]) -> Insert:
    return Insert(table, "owner_id", "word")


def owners(
    table: type[SearchWord], text: str, *, codes: bool = False
) -> models.QuerySet[Any, int] | None:
    """Ids of those that have, for every word of `text`, a word beginning with it; with `codes`, a code's will do too.

    An id may come several times. None if there is no word in `text`.
    """
    terms = words(text)[:MOST_TERMS]
    if not terms:
        return None
    manager: models.Manager[Any] = table._default_manager

    def found(term: str) -> Q:
        plain = begins_with("word", term)
        return plain | begins_with("word", _CODE + term[: LONGEST_WORD - 1]) if codes else plain

    # The longest term is the most selective: it drives, as a range of the index; the others are checked for each.
    driver, *others = sorted(terms, key=len, reverse=True)
    rows = manager.filter(found(driver))
    for term in others:
        same = manager.filter(found(term), owner_id=OuterRef("owner_id"))
        rows = rows.filter(Exists(same))
    return rows.values_list("owner_id", flat=True)


class _Among:
    """`__among=ids` is `__in=ids` where many rows have one of the ids, and the list is sorted by something else.

    Planners begin with the ids and sort the hundred thousand rows that have them, although the first few hundred rows
    of the list hold a page of them. Under an OR (with what is never true) they go through the list in its order
    and look each row up among the ids. What is not sorted is counted, and for that beginning with the ids is right,
    but in a list of a short span (`__along`): the rows of some thousand ids lie in as many places.
    """

    lhs: Any
    counted_too = False

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        sql, values = super().as_sql(compiler, connection)  # type: ignore[misc]  # the lookup it is mixed into
        if not (compiler.query.order_by or self.counted_too):
            return sql, values
        quote = connection.ops.quote_name
        key = f"{quote(self.lhs.alias)}.{quote(self.lhs.target.model._meta.pk.column)}"
        return f"({sql} OR {key} < 0)", values


@models.AutoField.register_lookup
@models.BigAutoField.register_lookup
class Among(_Among, In):
    """Of a primary key."""

    lookup_name = "among"


@models.ForeignKey.register_lookup
class RelatedAmong(_Among, RelatedIn):
    """Of a foreign key."""

    lookup_name = "among"


@models.ForeignKey.register_lookup
class RelatedAlong(RelatedAmong):
    """Of a foreign key, in a list of a short span."""

    lookup_name = "along"
    counted_too = True


def _if_few(found: models.QuerySet[Any, int]) -> set[int] | None:
    """The ids, if there are not many.

    The table of words answers in a millisecond; joined to its owners and their other conditions it takes ten, since
    planners begin with the owners.
    """
    ids = list(found[: _FEW + 1])
    return set(ids) if len(ids) <= _FEW else None


def matching[M: models.Model](
    queryset: models.QuerySet[M], table: type[SearchWord], text: str, *, codes: bool = False
) -> models.QuerySet[M]:
    """Rows that have, for every word of `text`, a word beginning with it; with `codes`, a code's word will do too."""
    found = owners(table, text, codes=codes)
    if found is None:
        return queryset.none() if text.strip() else queryset
    few = _if_few(found)
    return queryset.filter(pk__in=found if few is None else few)


def matching_or[M: models.Model](
    queryset: models.QuerySet[M], table: type[SearchWord], text: str, keys: Q
) -> models.QuerySet[M]:
    """Rows that match `text` by their words, or satisfy `keys` (ranges over indexed columns).

    An OR of the two would use neither index, and mostly only one of them finds anything: so both are asked
    first, and the OR is left to the case where both find many.
    """
    by_keys = queryset.filter(keys)
    with_keys = set(by_keys.order_by().values_list("pk", flat=True)[:_FEW])
    found = owners(table, text)
    if found is None:
        return by_keys
    with_words = _if_few(found)
    if with_words is None and not with_keys:
        return queryset.filter(pk__among=found)
    if with_words is None:  # many have such words; perhaps few of them are in this list
        of_list = set(queryset.filter(pk__in=found).order_by().values_list("pk", flat=True)[:_FEW])
        with_words = of_list if len(of_list) < _FEW else None
    if with_words is None:
        return queryset.filter(Q(pk__in=found) | keys)
    if len(with_keys) < _FEW:
        return queryset.filter(pk__in=with_words | with_keys)
    return queryset.filter(Q(pk__in=with_words) | keys) if with_words else by_keys
