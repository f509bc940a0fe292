"""What can be imported: kinds of files, and how their columns are recognised."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils import translation
from django.utils.functional import Promise

from erp_site.core.search import fold
from erp_site.core.tabular import Cell, DecimalMark


@dataclass(
    frozen=True, eq=False
)  # told apart as objects: a label's hash is another in another language
class Field:
    """One thing a column may hold. `names` are headings it is recognised by, besides its label in any language."""

    name: str
    label: str | Promise
    parse: Callable[[Cell, DecimalMark], Any]
    names: tuple[str, ...] = ()
    is_required: bool = False
    is_for_new: bool = False
    """A row that makes a new record needs it; one that changes a record does not."""
    hint: str | Promise = ""
    same: Callable[[str], str] = str.upper
    """What two spellings of one key have in common."""


@dataclass(frozen=True)
class Kind:
    """One sort of import. `apply(actor=..., **values)` gets what a row holds, without its empty cells."""

    name: str
    label: str | Promise
    permission: str
    fields: tuple[Field, ...]
    apply: Callable[..., str]
    """Writes one row in the caller's transaction; answers an Outcome, refuses with a DomainError."""
    knows: Callable[[Sequence[str]], bool] = lambda _keys: True
    """Is there a record of any of these keys?"""
    keys: int = 1
    """By how many of the first fields together a row finds its record: no two rows may have the same there."""

    @property
    def key(self) -> Field:
        """The field by which a row finds its record: the first, or the last of several."""
        return self.fields[self.keys - 1]

    def lacking(self, columns: Container[str]) -> list[Field]:
        """What a new record needs and none of these columns holds."""
        return [field for field in self.fields if field.is_for_new and field.name not in columns]


_kinds: Final[dict[str, Kind]] = {}


def register(kind: Kind) -> None:
    """From now on such files can be imported."""
    _kinds[kind.name] = kind


def kinds() -> Mapping[str, Kind]:
    return _kinds


def guess_columns(kind: Kind, header: Sequence[str]) -> dict[str, int]:
    """Which column holds which field, by the headings; a field's first name counts most."""
    headings = [_plain(name) for name in header]
    found: dict[str, int] = {}
    for field in kind.fields:
        for name in _names(field):
            if name in headings and headings.index(name) not in found.values():
                found[field.name] = headings.index(name)
                break
    return found


def _names(field: Field) -> list[str]:
    labels = []
    for code in ("pt-br", "en"):
        with translation.override(code):
            labels.append(str(field.label))
    return [_plain(name) for name in (*labels, *field.names)]


def _plain(name: str) -> str:
    return "".join(c for c in fold(name) if c.isalnum())
