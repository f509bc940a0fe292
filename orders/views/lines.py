"""The lines of order entry: what is typed, scanned or pasted, beside the products that it stands for."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

from django.utils.translation import gettext as _

from accounts.models import User
from catalog.models import PriceList, Product
from catalog.queries import as_record, find_by_codes, get_products, prices_on, shared_by
from erp_site.core.fields import typed_amount
from orders.forms import EntryLine, PastedLine, agreed_on, in_cents, pasted_lines
from orders.models import MOST_ITEMS, Order
from orders.services import NewItem

#: Of a long paste with the wrong column, the first few lines say it all.
MOST_PROBLEMS: Final = 10
#: Of lines that are pasted at once. More are no order, and reading them would keep others waiting.
MOST_PASTED: Final = 10 * MOST_ITEMS


def no_product(code: str) -> str:
    """That no product has this code, in words."""
    return _("No product has the code “%(code)s”.") % {"code": code}


class Promised(Protocol):
    """A line of an order that there is already."""

    @property
    def product_id(self) -> int: ...
    @property
    def quantity(self) -> int: ...
    @property
    def unit_price(self) -> Decimal: ...
    @property
    def list_price(self) -> Decimal | None: ...


class EntryLines:
    """The lines of one form.

    `placed` are those of the order that is being changed, if one is: their price stays, and it holds their pieces.
    All others cost what their products do until `price_by` says what the customer pays and what was agreed upon.
    """

    def __init__(self, rows: Iterable[EntryLine] = (), placed: Iterable[Promised] = ()) -> None:
        self.rows = list(rows)
        self.placed: dict[int, Promised] = {item.product_id: item for item in placed}
        self.products: dict[int, Product] = {}
        self.fill()

    def __iter__(self) -> Iterator[EntryLine]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def fill(self) -> None:
        """Put names, prices and stock on the lines: two statements, whatever their number."""
        if not self.rows:
            return
        self.products = {it.pk: it for it in get_products([row.product_id for row in self.rows])}
        for row in self.rows:
            product = self.products.get(row.product_id)
            if product is None:
                row.error = _("This product is no longer there.")
                continue
            self.describe(row, product)
            if row.pieces is None or row.pieces < 1:
                row.error = _("A quantity is between 1 and 1,000,000.")

    def describe(self, row: EntryLine, product: Product) -> None:
        """What the product is called, what a piece costs this order, and how many it may have."""
        record, item = as_record(product), self.placed.get(product.pk)
        row.sku, row.name = record["sku"], record["name"]
        row.price = (item.list_price or item.unit_price) if item else record["price"]
        row.held, row.held_price = (item.quantity, item.unit_price) if item else (0, Decimal(0))
        row.available = record["available"] + row.held
        is_more = (row.pieces or 0) > row.held
        row.error = _("Not sold at present.") if is_more and not record["is_active"] else ""

    def price_by(self, price_list: PriceList | None, seller: User) -> None:
        """What the lines cost those who buy by this list, what was agreed upon instead, and how low this person may go.
        One statement at most, whatever the number of lines."""
        prices = prices_on(price_list, self.products.values()) if price_list else {}
        for row in self.rows:
            item = self.placed.get(row.product_id)
            if item is None:
                row.price = prices.get(row.product_id, row.price)
            if item and (row.agreed is None or not seller.may_agree_on_prices):
                row.agreed = typed_amount(item.unit_price) if item.list_price else ""
            elif row.agreed and not seller.may_agree_on_prices:
                # What was in sight is not what it costs.
                if seen := agreed_on(row.agreed, row.price):
                    row.seen = str(in_cents(seen))
                row.agreed = ""
            row.agreed = row.agreed or ""
            row.agreed_price = agreed_on(row.agreed, row.price)
            row.lowest = seller.lowest_price(row.price)

    def add(self, wanted: Sequence[PastedLine]) -> dict[PastedLine, str]:
        """Add products by code; those that no product has, or several, come back with what is wrong."""
        found = find_by_codes([each.code for each in wanted])
        present = {row.product_id: row for row in self.rows}
        refused = {}
        for each in wanted:
            products = found.get(each.code.upper(), [])
            if len(products) != 1:
                refused[each] = (
                    shared_by(each.code, products) if products else no_product(each.code)
                )
                continue
            [product] = products
            if row := present.get(product.pk):
                row.quantity = str((row.pieces or 0) + int(each.quantity))
                self.describe(row, product)
            else:
                present[product.pk] = self.put(product, each.quantity)
        return refused

    def put(self, product: Product, quantity: str) -> EntryLine:
        """One line more, of a product that has none yet."""
        row = EntryLine(product.pk, quantity)
        self.rows.append(row)
        self.products[product.pk] = product
        self.describe(row, product)
        return row

    def paste(self, text: str) -> tuple[Sequence[str], str]:
        """Add the pasted lines; what cannot be read or found is named, and stays in its field."""
        if text.count("\n") > MOST_PASTED:
            return [_("An order has at most %(most)s items.") % {"most": MOST_ITEMS}], text
        pasted = pasted_lines(text)
        room = max(0, MOST_ITEMS - len(self.rows))
        readable = [each for each in pasted if each.code]
        refused = self.add(readable[:room])
        left = [each for each in pasted if not each.code or each in refused] + readable[room:]
        problems = [
            refused.get(each) or no_product(each.code)
            if each.code
            else _("“%(line)s” is not a code and a quantity.") % {"line": each.text}
            for each in left[:MOST_PROBLEMS]
        ]
        if len(readable) > room:
            problems = [_("An order has at most %(most)s items.") % {"most": MOST_ITEMS}, *problems]
        return problems, "\n".join(each.text for each in left)

    def add_again(self, order: Order) -> None:
        """The lines of a past order, on top of what is there, each beside what it cost then, at the prices that were
        agreed upon: whoever may not agree upon them sees what becomes of them."""
        present = {row.product_id: row for row in self.rows}
        for item in order.items.all():
            if row := present.get(item.product_id):
                row.quantity = str((row.pieces or 0) + item.quantity)
            else:
                listed = str(in_cents(item.list_price or item.unit_price))
                row = EntryLine(item.product_id, str(item.quantity), seen=listed)
                row.agreed = typed_amount(item.unit_price) if item.list_price else None
                self.rows.append(row)
        self.fill()

    def take_off(self, share: str) -> None:
        """So much off the customer's price of every line."""
        for row in self.rows:
            row.agreed = share

    def remove(self, product: str) -> None:
        """Without this product."""
        self.rows = [row for row in self.rows if str(row.product_id) != product]

    def take_available(self, product: str) -> None:
        """Short lines cut down to what is available, this product's or all; without any, the line goes."""
        kept = []
        for row in self.rows:
            if row.is_short and product in {"", str(row.product_id)}:
                if not row.available:
                    continue
                row.quantity = str(row.available)
            kept.append(row)
        self.rows = kept

    def told_missing(self, items: Iterable[dict[str, Any]]) -> None:
        """What a refusal said of what is available."""
        missing = {item["product_id"]: item["available"] for item in items}
        for row in self.rows:
            row.available = missing.get(row.product_id, row.available)

    def told_repriced(self, items: Iterable[dict[str, Any]]) -> list[EntryLine]:
        """The lines that a refusal said to cost another price, with the price of now."""
        self.fill()
        changed = {item["product_id"] for item in items}
        return [row for row in self.rows if row.product_id in changed]

    @property
    def unlikely(self) -> list[EntryLine]:
        """The lines so far above the customer's price that a mark may be missing, and that were not sent so before."""
        return [row for row in self.rows if row.is_unlikely and not row.is_meant]

    @property
    def problems(self) -> list[str]:
        """Why they cannot be ordered like this: what is known without asking the order's service."""
        none = []
        if not self.rows:
            give_up = _("An order keeps at least one line. To give it up, cancel it.")
            none.append(give_up if self.placed else _("Add at least one product."))
        unreadable = _("Write a price like 8.90, or 5% for a discount.")
        wrong = [
            f"{row.sku}: {row.error or unreadable}"
            for row in self.rows
            if row.error or row.is_unreadable
        ]
        return [*none, *wrong[:MOST_PROBLEMS]]

    @property
    def seen_prices(self) -> dict[int, Decimal]:
        """By product, the customer's price that the page has shown."""
        return {row.product_id: seen for row in self.rows if (seen := row.seen_price) is not None}

    @property
    def wanted(self) -> list[NewItem]:
        """What the order's service is asked for. A line that is there already is asked for at the price in sight."""
        return [
            NewItem(
                row.product_id,
                row.pieces or 0,
                row.unit_price if row.product_id in self.placed else row.agreed_price,
            )
            for row in self.rows
        ]

    @property
    def total(self) -> Decimal:
        return sum((row.subtotal for row in self.rows), Decimal(0))

    @property
    def repriced(self) -> int:
        """How many lines cost another price than the one that was seen. What was agreed upon stays."""
        return sum(1 for row in self.rows if row.charged_before is not None)

    @property
    def total_before(self) -> Decimal:
        """What all of it would cost by the prices that were seen."""
        prices = [(row.charged_before, row) for row in self.rows]
        return sum(
            (row.subtotal if was is None else was * (row.pieces or 0) for was, row in prices),
            Decimal(0),
        )

    @property
    def pieces(self) -> int:
        return sum(row.pieces or 0 for row in self.rows)

    @property
    def shortages(self) -> int:
        return sum(1 for row in self.rows if row.is_short)
