"""Who may do what: the whole policy in one table. Services, pages, API, docs and tests read it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

#: The one scope of machine tokens: what a machine may do is decided by the role of its user.
MACHINE_SCOPE: Final = "api"


class Permission(StrEnum):
    """Everything that can be allowed, as ordinary Django permission names."""

    VIEW_ORDERS = "orders.view_order"
    PLACE_ORDER = "orders.place_order"
    AGREE_ON_ANY_PRICE = "orders.agree_on_any_price"
    ADVANCE_ORDER = "orders.advance_order"
    AMEND_ORDER = "orders.amend_order"
    AMEND_CONFIRMED_ORDER = "orders.amend_confirmed_order"
    CANCEL_ORDER = "orders.cancel_order"
    ADD_ORDER_NOTE = "orders.add_note"
    VIEW_PRODUCTS = "catalog.view_product"
    CHANGE_PRODUCTS = "catalog.change_product"
    ADJUST_STOCK = "catalog.adjust_stock"
    CHANGE_PRICE_LISTS = "catalog.change_price_list"
    VIEW_CUSTOMERS = "customers.view_customer"
    VIEW_TAX_IDS = "customers.view_tax_id"
    CHANGE_CUSTOMERS = "customers.change_customer"
    VIEW_USERS = "accounts.view_user"
    MANAGE_USERS = "accounts.manage_user"
    VIEW_EVENTS = "core.view_event"
    MANAGE_WEBHOOKS = "core.manage_webhook"


#: What people read for each, in the order of the table of roles.
PERMISSION_LABELS: Final[Mapping[Permission, str | Promise]] = {
    Permission.VIEW_ORDERS: _("See orders"),
    Permission.PLACE_ORDER: _("Place orders"),
    Permission.AGREE_ON_ANY_PRICE: _("Agree on any price for a line of an order"),
    Permission.ADVANCE_ORDER: _("Confirm, pick, ship and deliver orders"),
    Permission.AMEND_ORDER: _("Change orders that are not confirmed yet"),
    Permission.AMEND_CONFIRMED_ORDER: _("Change confirmed orders"),
    Permission.CANCEL_ORDER: _("Cancel orders"),
    Permission.ADD_ORDER_NOTE: _("Write notes on orders"),
    Permission.VIEW_PRODUCTS: _("See products, stock and price lists"),
    Permission.CHANGE_PRODUCTS: _("Create, change and delete products"),
    Permission.ADJUST_STOCK: _("Adjust stock"),
    Permission.CHANGE_PRICE_LISTS: _("Create, change and delete price lists"),
    Permission.VIEW_CUSTOMERS: _("See customers"),
    Permission.VIEW_TAX_IDS: _("See whole CPF and CNPJ numbers"),
    Permission.CHANGE_CUSTOMERS: _("Create, change and delete customers"),
    Permission.VIEW_USERS: _("See users"),
    Permission.MANAGE_USERS: _("Manage users; administrators only by administrators"),
    Permission.VIEW_EVENTS: _("See the activity of everybody"),
    Permission.MANAGE_WEBHOOKS: _("Choose which other systems are told of events"),
}


class Role(models.TextChoices):
    """Ordered from least to most: a role includes all that the ones before it may do."""

    VIEWER = "viewer", _("Viewer")
    OPERATOR = "operator", _("Operator")
    MANAGER = "manager", _("Manager")
    ADMIN = "admin", _("Administrator")

    @property
    def rank(self) -> int:
        return list(Role).index(self)


_VIEWER = frozenset({Permission.VIEW_ORDERS, Permission.VIEW_PRODUCTS, Permission.VIEW_CUSTOMERS})
_OPERATOR = _VIEWER | {
    Permission.PLACE_ORDER,
    Permission.ADVANCE_ORDER,
    Permission.AMEND_ORDER,
    Permission.ADD_ORDER_NOTE,
    Permission.VIEW_TAX_IDS,
}
_MANAGER = _OPERATOR | {
    Permission.AGREE_ON_ANY_PRICE,
    Permission.AMEND_CONFIRMED_ORDER,
    Permission.CANCEL_ORDER,
    Permission.CHANGE_PRODUCTS,
    Permission.ADJUST_STOCK,
    Permission.CHANGE_PRICE_LISTS,
    Permission.CHANGE_CUSTOMERS,
    Permission.VIEW_USERS,
    Permission.MANAGE_USERS,
    Permission.VIEW_EVENTS,
}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _OPERATOR,
    Role.MANAGER: _MANAGER,
    Role.ADMIN: frozenset(Permission),
}


def may_manage(actor: Role, subject: Role) -> bool:
    """May `actor` create, change or deactivate a user of role `subject`, or grant that role?

    Managers manage those below admin; admins everybody. Being oneself is refused elsewhere.
    """
    if Permission.MANAGE_USERS not in ROLE_PERMISSIONS[actor]:
        return False
    return actor is Role.ADMIN or subject is not Role.ADMIN
