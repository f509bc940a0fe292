"""A list as a page shows it: filtered by the API's own FilterSet, sorted, in numbered, shareable pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.paginator import Paginator
from django.db import models
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest

from .counting import figures
from .filtering import ListFilter
from .pagination import Split, rows_of

PAGE_SIZE: Final = 25


@dataclass(frozen=True)
class Listing[M: models.Model]:
    """One page of a list and everything its frame says about it."""

    rows: list[M]
    count: int
    """Exact up to 10,000; beyond, `capped` is true."""
    capped: bool
    page: int
    sort: str
    form: Form
    """The bound filter form: its errors name each wrong value."""
    filters: dict[str, list[str]] = field(default_factory=dict)
    """What is filtered by, as in the address."""
    total: Any = None
    """The sum of `sum_of` over all that is filtered; None beyond the cap."""

    @property
    def pages(self) -> int:
        """Those of what is counted: further ones would be found by walking through all that comes before them."""
        return _pages(self.count)

    @property
    def has_more_than_pages(self) -> bool:
        """This is the last page, and not the end of the list."""
        return self.capped and self.page == self.pages

    @property
    def page_numbers(self) -> list[int | str]:
        """The numbers to go to: the ends, those about this page, and an ellipsis for what is between."""
        numbers = Paginator(range(self.pages), 1).get_elided_page_range(
            self.page, on_each_side=1, on_ends=1
        )
        return list(numbers)

    @property
    def first(self) -> int:
        return (self.page - 1) * PAGE_SIZE + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return (self.page - 1) * PAGE_SIZE + len(self.rows)

    @property
    def previous_page(self) -> int | None:
        return self.page - 1 if self.page > 1 else None

    @property
    def next_page(self) -> int | None:
        return self.page + 1 if self.page < self.pages else None

    @property
    def column(self) -> str:
        """The public name of the sorted column."""
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")


def listing[M: models.Model](
    request: HttpRequest,
    filterset: type[ListFilter],
    queryset: QuerySet[M],
    *,
    sorts: Mapping[str, str],
    default: str,
    sum_of: str | None = None,
    split: Callable[[Mapping[str, Any]], Split] | None = None,
) -> Listing[M]:
    """The page of `queryset` that the address asks for.

    A wrong filter shows its error and no rows; an unknown sort or page falls back, since people edit addresses.
    Count and sum are one statement, and stop at 10,000 rows. `split` makes the column and the values to merge by
    out of the filters, see `pagination.rows_of`.
    """
    bound = filterset(request.GET, queryset=queryset, request=request)
    valid = bound.makes_sense()
    filtered = bound.qs if valid else queryset.none()
    sort = request.GET.get("sort", default)
    if sort.removeprefix("-") not in sorts:
        sort = default
    way = "-" if sort.startswith("-") else ""
    column = sorts[sort.removeprefix("-")]
    found = figures(filtered, sum_of=sum_of)
    each = split(bound.form.cleaned_data) if valid and split else None
    # The last page, when the list has become shorter than an old address.
    page = min(_page_number(request.GET.get("page", "")), _pages(found.count))
    start = (page - 1) * PAGE_SIZE
    rows = rows_of(filtered, [f"{way}{column}", f"{way}id"], start, start + PAGE_SIZE, split=each)
    return Listing(
        rows=rows,
        count=found.count,
        capped=found.capped,
        page=page,
        sort=sort,
        form=bound.form,
        filters={
            name: values
            for name, values in request.GET.lists()
            if name in bound.filters and any(value.strip() for value in values)
        },
        total=found.total,
    )


def _pages(count: int) -> int:
    return max(1, -(-count // PAGE_SIZE))


def _page_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 8 and int(text) else 1
