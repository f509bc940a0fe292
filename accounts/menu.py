"""The menu: one table, shown to each role without what it may not open."""

from dataclasses import dataclass, replace
from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from .models import User
from .roles import Permission


@dataclass(frozen=True)
class NavItem:
    """A page in the menu. `view` is the name of its address; without a permission everybody sees it.

    `children` are names of pages reached from it: there, too, it is marked as the present one.
    """

    label: str | Promise
    view: str
    icon: str
    permission: Permission | None = None
    children: tuple[str, ...] = ()
    is_current: bool = False

    @property
    def url(self) -> str:
        return reverse(self.view)


@dataclass(frozen=True)
class NavGroup:
    """Items under a title; the first group has none."""

    title: str | Promise
    items: tuple[NavItem, ...]


MENU: Final = (
    NavGroup("", (NavItem(_("Dashboard"), "home", icon="home"),)),
    NavGroup(
        _("Sales"),
        (
            NavItem(
                _("Orders"),
                "orders:list",
                icon="shopping-cart",
                permission=Permission.VIEW_ORDERS,
                children=(
                    "orders:detail",
                    "orders:new",
                    "orders:amend",
                    "orders:bulk",
                    "orders:print",
                ),
            ),
            NavItem(
                _("Customers"),
                "customers:list",
                icon="users",
                permission=Permission.VIEW_CUSTOMERS,
                children=("customers:detail", "customers:new", "customers:edit"),
            ),
            NavItem(
                _("Price lists"),
                "catalog:price_lists",
                icon="tag",
                permission=Permission.VIEW_PRODUCTS,
                children=(
                    "catalog:price_list",
                    "catalog:price_list_new",
                    "catalog:price_list_edit",
                    "catalog:price_list_copy",
                    "catalog:price_list_reprice",
                    # Where a form that was refused comes back.
                    "catalog:price_list_prices",
                    "catalog:price_list_delete",
                    # Whom a list is given to: a page of the list, though it belongs to customers.
                    "customers:price_list",
                ),
            ),
        ),
    ),
    NavGroup(
        _("Stock"),
        (
            NavItem(
                _("Products"),
                "catalog:list",
                icon="package",
                permission=Permission.VIEW_PRODUCTS,
                children=("catalog:detail", "catalog:new", "catalog:edit"),
            ),
            NavItem(
                _("Adjust stock"),
                "catalog:adjust",
                icon="adjustments",
                permission=Permission.ADJUST_STOCK,
            ),
            NavItem(
                _("Ran low lately"), "notices", icon="bell", permission=Permission.VIEW_PRODUCTS
            ),
        ),
    ),
    NavGroup(
        _("Management"),
        (
            NavItem(
                _("Users"),
                "users:list",
                icon="user-cog",
                permission=Permission.VIEW_USERS,
                children=("users:new", "users:detail"),
            ),
            NavItem(_("Activity"), "activity", icon="history", permission=Permission.VIEW_EVENTS),
            NavItem(
                _("Import"),
                "imports:list",
                icon="upload",
                permission=Permission.CHANGE_PRODUCTS,
                children=("imports:job", "imports:columns"),
            ),
        ),
    ),
    NavGroup(
        _("Your account"),
        (
            NavItem(_("Profile"), "account_profile", icon="user"),
            NavItem(_("Password"), "account_change_password", icon="lock"),
            NavItem(
                _("Two-step sign-in"),
                "mfa_index",
                icon="shield-check",
                children=(
                    "mfa_activate_totp",
                    "mfa_deactivate_totp",
                    "mfa_list_webauthn",
                    "mfa_add_webauthn",
                    "mfa_edit_webauthn",
                    "mfa_remove_webauthn",
                    "mfa_view_recovery_codes",
                    "mfa_generate_recovery_codes",
                ),
            ),
            NavItem(_("Where you are signed in"), "usersessions_list", icon="devices"),
        ),
    ),
    NavGroup(
        _("For programs"),
        (
            NavItem(
                _("Webhooks"),
                "webhooks:list",
                icon="arrows-exchange",
                permission=Permission.MANAGE_WEBHOOKS,
                children=("webhooks:new", "webhooks:detail", "webhooks:edit", "webhooks:secret"),
            ),
            NavItem(_("API reference"), "docs", icon="api"),
            NavItem(_("Error codes"), "docs_errors", icon="alert-circle"),
        ),
    ),
)


def menu_for(
    user: User | AnonymousUser, *, here: str = "", menu: tuple[NavGroup, ...] = MENU
) -> list[NavGroup]:
    """The menu as `user` sees it, the item of the page `here` marked, groups with nothing in them left out."""
    seen = []
    for group in menu:
        items = tuple(
            replace(item, is_current=here == item.view or here in item.children)
            for item in group.items
            if item.permission is None or user.has_perm(item.permission)
        )
        if items:
            seen.append(NavGroup(group.title, items))
    return seen
