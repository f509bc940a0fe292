"""The product's files, both ways: which columns every exported list has, and which columns can be imported."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import django_filters
from django.db.models import Model, QuerySet
from django.utils.functional import Promise
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from accounts import queries as account_queries
from accounts.filters import UserFilter
from accounts.models import User
from accounts.roles import Permission
from catalog import queries as catalog_queries
from catalog import services as catalog_services
from catalog.filters import PricedFilter, PriceFilter, ProductFilter
from catalog.models import ListedPrice, Product
from customers import queries as customer_queries
from customers import services as customer_services
from customers.filters import CustomerFilter
from customers.models import Customer
from erp_site.activity import EVENT_SORTS, EventFilter, entries, events
from erp_site.core import taxid
from erp_site.core.imports import Field, Kind
from erp_site.core.models import Event
from erp_site.core.paths import record_id
from erp_site.core.search import plain
from erp_site.core.tabular import (
    Cell,
    as_amount,
    as_flag,
    as_tax_id,
    as_whole,
    as_words,
)
from orders import queries as order_queries
from orders.filters import OrderFilter
from orders.models import Order

#: Characters of a record's name in that of a file.
LONGEST_NAME: Final = 60

type Rows = Iterator[Sequence[Cell]]


@dataclass(frozen=True)
class Export[M: Model]:
    """A list as a file: who may have it, and its rows as `reader` may see them, for a chunk of records at a time."""

    label: str | Promise
    permission: Permission
    filterset: type[django_filters.FilterSet]
    queryset: Callable[[], QuerySet[M]]
    sorts: Mapping[str, str]
    default: str
    header: tuple[str | Promise, ...]
    rows: Callable[[Sequence[M], User], Rows]
    rows_each: str | None = None
    """The column that says how many rows a record has; without it, one."""
    about: Callable[[Mapping[str, str]], str] | None = None
    """What the name of the file says beside the list's, of what is asked for with this query."""


def _tax_id(value: str, reader: User) -> str:
    return taxid.formatted(
        value if reader.has_perm(Permission.VIEW_TAX_IDS) else taxid.masked(value)
    )


#: What stands first in a row of an order, and in one of a line of it.
_OF_ORDER: Final = (
    _("Order"), _("Date"), _("Customer"), _("CPF/CNPJ"), _("Customer reference"), _("Status"), _("Due date"),
)  # fmt: skip


def _of_order(order: Order, reader: User) -> tuple[Cell, ...]:
    return (
        order.number,
        order.created_at,
        order.customer.name,
        _tax_id(order.customer.cpf_cnpj, reader),
        order.customer_reference,
        str(order.get_status_display()),
        order.due_date,
    )


def _orders(orders: Sequence[Order], reader: User) -> Rows:
    for order in orders:
        yield (
            *_of_order(order, reader),
            order.is_late,
            order.created_by.name if order.created_by else "",
            order.items_count,
            order.total,
        )


def _lines(orders: Sequence[Order], reader: User) -> Rows:
    for order in orders:
        of_order = _of_order(order, reader)
        for line in order.items.all():
            yield (
                *of_order,
                order.created_by.name if order.created_by else "",
                line.sku,
                line.name,
                line.quantity,
                line.unit_price,
                line.subtotal,
                line.list_price or line.unit_price,
            )


def _products(products: Sequence[Product], reader: User) -> Rows:
    names = (
        "sku", "gtin", "name", "description", "price", "on_hand", "reserved", "available", "low_stock_threshold",
        "is_active", "created_at", "updated_at",
    )  # fmt: skip
    for product in products:
        record = catalog_queries.as_record(product)
        yield [record[name] for name in names]


def _prices(prices: Sequence[ListedPrice], reader: User) -> Rows:
    for listed in filter(catalog_queries.is_current, prices):
        product = listed.product
        yield (listed.price_list.name, product.sku, product.name, listed.price, product.price)


def _price_list(products: Sequence[Product], reader: User) -> Rows:
    for product, price in catalog_queries.priced(products):
        yield (product.sku, product.gtin, product.name, price)


def _price_list_of(query: Mapping[str, str]) -> str:
    """The name of the price list that is asked for, in ASCII; its number, where nothing is left of that."""
    wanted = record_id(query.get("price_list_id", ""))
    found = catalog_queries.price_lists().filter(pk=wanted).first() if wanted else None
    return (slugify(found.name)[:LONGEST_NAME].strip("-") or str(found.pk)) if found else ""


def _customers(customers: Sequence[Customer], reader: User) -> Rows:
    names = (
        "name",
        "email",
        "phone",
        "address",
        "is_active",
        "price_list",
        "created_at",
        "updated_at",
    )
    for customer in customers:
        price_list = customer.price_list.name if customer.price_list else ""
        record = {**customer_queries.as_record(customer, reader), "price_list": price_list}
        yield [taxid.formatted(record["cpf_cnpj"]), *(record[name] for name in names)]


def _users(users: Sequence[User], reader: User) -> Rows:
    for user in users:
        yield (user.name, user.email, str(user.get_role_display()), user.is_active, user.created_at)


def _events(found: Sequence[Event], reader: User) -> Rows:
    for entry in entries(found):
        actor = str(entry.event.actor or "")
        yield (
            entry.event.created_at,
            str(entry.kind.label),
            entry.record.name,
            entry.detail,
            actor,
            entry.event.request_id,
        )


EXPORTS: Final[Mapping[str, Export[Any]]] = {
    "orders": Export(
        label=_("Orders"),
        permission=Permission.VIEW_ORDERS,
        filterset=OrderFilter,
        queryset=order_queries.order_rows,
        sorts=order_queries.SORTS,
        default="-created_at",
        header=(
            *_OF_ORDER,
            _("Late"), _("By"), _("Items"), _("Total"),
        ),
        rows=_orders,
    ),
    "order-items": Export(
        label=_("Items of orders"),
        permission=Permission.VIEW_ORDERS,
        filterset=OrderFilter,
        queryset=order_queries.orders_with_lines,
        sorts=order_queries.SORTS,
        default="-created_at",
        header=(
            *_OF_ORDER,
            _("By"), _("SKU"), _("Product"), _("Quantity"), _("Price"), _("Subtotal"), _("List price"),
        ),
        rows=_lines,
        rows_each="items_count",
    ),
    "products": Export(
        label=_("Products"),
        permission=Permission.VIEW_PRODUCTS,
        filterset=ProductFilter,
        queryset=catalog_queries.products,
        sorts=catalog_queries.SORTS,
        default="name",
        header=(
            _("SKU"), _("GTIN"), _("Name"), _("Description"), _("Price"), _("On hand"), _("Reserved"),
            _("Available"), _("Low stock threshold"), _("Active"), _("Created"), _("Changed"),
        ),
        rows=_products,
    ),
    "prices": Export(
        label=_("Prices on lists"),
        permission=Permission.VIEW_PRODUCTS,
        filterset=PriceFilter,
        queryset=catalog_queries.listed_prices,
        sorts=catalog_queries.PRICE_SORTS,
        default="id",
        header=(_("Price list"), _("SKU"), _("Product"), _("Price"), _("Ordinary price")),
        rows=_prices,
        about=_price_list_of,
    ),
    # What is sent to those who buy by the list: every product, whether it has a price of its own there or not.
    "price-list": Export(
        label=_("Price list"),
        permission=Permission.VIEW_PRODUCTS,
        filterset=PricedFilter,
        queryset=catalog_queries.sold_products,
        sorts=catalog_queries.LISTED_SORTS,
        default="name",
        header=(_("SKU"), _("GTIN"), _("Product"), _("Price")),
        rows=_price_list,
        about=_price_list_of,
    ),
    "customers": Export(
        label=_("Customers"),
        permission=Permission.VIEW_CUSTOMERS,
        filterset=CustomerFilter,
        queryset=customer_queries.customers_with_lists,
        sorts=customer_queries.SORTS,
        default="name",
        header=(
            _("CPF/CNPJ"), _("Name"), _("E-mail"), _("Phone"), _("Address"), _("Active"), _("Price list"),
            _("Created"), _("Changed"),
        ),
        rows=_customers,
    ),
    "users": Export(
        label=_("Users"),
        permission=Permission.VIEW_USERS,
        filterset=UserFilter,
        queryset=account_queries.users,
        sorts=account_queries.SORTS,
        default="name",
        header=(_("Name"), _("E-mail"), _("Role"), _("Active"), _("Created")),
        rows=_users,
    ),
    "activity": Export(
        label=_("Activity"),
        permission=Permission.VIEW_EVENTS,
        filterset=EventFilter,
        queryset=events,
        sorts=EVENT_SORTS,
        default="-created_at",
        header=(_("Date"), _("What"), _("Record"), _("Details"), _("By"), _("Request")),
        rows=_events,
    ),
}  # fmt: skip

#: What columns of several files are called, besides their labels.
_SKU: Final = ("código", "cod", "code", "código do produto", "referência")
_PRICE: Final = (
    "preço",
    "preço de venda",
    "preço unitário",
    "valor",
    "valor unitário",
    "unit price",
)
_PRICE_LIST: Final = (
    "lista de preços", "lista de preço", "tabela de preços", "tabela de preço", "tabela", "lista", "list",
)  # fmt: skip

IMPORTS: Final = (
    Kind(
        name="products",
        label=_("Products"),
        permission=Permission.CHANGE_PRODUCTS,
        apply=catalog_services.upsert_product,
        knows=catalog_queries.is_any_sku,
        fields=(
            Field("sku", _("SKU"), as_words, _SKU, is_required=True),
            Field("name", _("Name"), as_words, ("nome", "produto", "nome do produto", "product"), is_for_new=True),
            Field("price", _("Price"), as_amount, _PRICE, is_for_new=True),
            Field("gtin", _("GTIN"), as_words, ("ean", "ean13", "gtin/ean", "código de barras", "barcode", "upc")),
            Field("description", _("Description"), as_words, ("descrição",)),
            Field(
                "low_stock_threshold", _("Low stock threshold"), as_whole,
                ("estoque mínimo", "mínimo", "limite de estoque baixo", "minimum stock", "minimum"),
            ),
            Field("is_active", _("Active"), as_flag, ("ativo", "status")),
            Field(
                "on_hand", _("Opening stock"), as_whole, ("estoque inicial", "saldo inicial"),
                hint=_("Of new products only."),
            ),
        ),
    ),
    Kind(
        name="customers",
        label=_("Customers"),
        permission=Permission.CHANGE_CUSTOMERS,
        apply=customer_services.upsert_customer,
        knows=customer_queries.is_any_tax_id,
        fields=(
            Field("cpf_cnpj", _("CPF/CNPJ"), as_tax_id, ("cnpj", "cpf", "documento", "tax id"), is_required=True),
            Field(
                "name", _("Name"), as_words,
                ("nome", "cliente", "razão social", "nome fantasia", "customer", "company"),
                is_for_new=True,
            ),
            Field("email", _("E-mail"), as_words, ("email", "correio eletrônico", "mail"), is_for_new=True),
            Field("phone", _("Phone"), as_words, ("telefone", "fone", "celular", "whatsapp", "mobile")),
            Field("address", _("Address"), as_words, ("endereço",)),
            Field("is_active", _("Active"), as_flag, ("ativo", "status")),
            Field("price_list", _("Price list"), as_words, _PRICE_LIST, hint=_("By its name.")),
        ),
    ),
    Kind(
        name="stock",
        label=_("Stock counts"),
        permission=Permission.ADJUST_STOCK,
        apply=catalog_services.count_stock,
        fields=(
            Field("code", _("SKU or GTIN"), as_words, ("sku", "código", "code", "gtin", "ean"), is_required=True),
            Field(
                "counted", _("Counted"), as_whole,
                ("contagem", "contado", "count", "quantidade", "qtd", "quantity", "qty", "on hand", "em estoque",
                 "estoque", "saldo", "stock"),
                is_required=True,
            ),
            Field(
                "expected", _("Expected"), as_whole,
                ("esperado", "on hand", "em estoque", "estoque", "saldo"),
                hint=_("Rows whose stock is another one meanwhile are refused."),
            ),
            Field("note", _("Note"), as_words, ("observação", "obs", "nota", "motivo", "reason")),
        ),
    ),
    Kind(
        name="prices",
        label=_("Prices on lists"),
        permission=Permission.CHANGE_PRICE_LISTS,
        apply=catalog_services.upsert_price,
        keys=2,
        fields=(
            Field(
                "price_list", _("Price list"), as_words, _PRICE_LIST, is_required=True, same=plain,
                hint=_("By its name."),
            ),
            Field("sku", _("SKU"), as_words, _SKU, is_required=True),
            Field("price", _("Price"), as_amount, _PRICE, is_required=True),
        ),
    ),
)  # fmt: skip
