"""Parts of a page that an app above gives to it: the orders of a customer, what reserves a product.

The page's own app may not know them (apps point one way), so they add themselves when they are ready.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol


class Reader(Protocol):
    """Who looks at the page."""

    def has_perm(self, perm: str, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Section:
    """A template and what it shows of the record with this id, for those with the permission."""

    template: str
    permission: str
    data: Callable[[int], Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """A section with its data, ready to be included."""

    template: str
    data: Any


_SECTIONS: Final[dict[str, list[Section]]] = {}


def add(page: str, section: Section) -> None:
    """Show `section` on the page of this name ("catalog:detail")."""
    _SECTIONS.setdefault(page, []).append(section)


def of(page: str, record_id: int, reader: Reader) -> list[Shown]:
    """The sections of this page that `reader` may see, filled for one record."""
    return [
        Shown(section.template, section.data(record_id))
        for section in _SECTIONS.get(page, ())
        if reader.has_perm(section.permission)
    ]
