"""Documents that are made from the code: docs/order-states.md, docs/roles.md, docs/openapi.json."""

import difflib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation

from accounts.roles import ROLE_PERMISSIONS, Permission, Role, may_manage
from erp_site.api import api, inner
from orders.states import AMENDABLE, FINAL, HOLDS_STOCK, TRANSITIONS, OrderStatus, StockEffect

MOST_LINES: Final = 40  # of a difference shown by --check
API_PREFIX: Final = "/api/v1/"
YES, NO = "yes", "-"
STOCK_EFFECTS: Final = {
    StockEffect.NONE: "none",
    StockEffect.RELEASE: "gives the reservation back",
    StockEffect.SHIP: "takes the reserved pieces off the stock on hand",
}


class Command(BaseCommand):
    help = "Write the documents that are made from the code; with --check only say which are out of date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="Exit 1 if a file would change.")
        parser.add_argument("--folder", type=Path, default=settings.BASE_DIR / "docs")

    def handle(self, *, check: bool, folder: Path, **options: Any) -> None:
        stale = []
        for name, content in documents().items():
            file = folder / name
            present = file.read_text(encoding="utf-8") if file.exists() else ""
            if present == content:
                continue
            stale.append(name)
            if check:
                self.show(name, present, content)
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, encoding="utf-8")
                self.stdout.write(f"Written: {name}")
        if check and stale:
            raise CommandError(f"Out of date: {', '.join(stale)}. Run: make docs")

    def show(self, name: str, present: str, content: str) -> None:
        lines = list(
            difflib.unified_diff(
                present.splitlines(), content.splitlines(), name, f"{name} (new)", n=1, lineterm=""
            )
        )
        for line in lines[:MOST_LINES]:
            self.stdout.write(line)
        if len(lines) > MOST_LINES:
            self.stdout.write(f"... and {len(lines) - MOST_LINES} more lines")


def documents() -> dict[str, str]:
    """Every document by its name in docs/, in English whatever the site speaks."""
    makers: dict[str, Callable[[], str]] = {
        "order-states.md": order_states,
        "roles.md": roles,
        "openapi.json": openapi,
    }
    with translation.override("en"):
        return {name: make() for name, make in makers.items()}


def openapi() -> str:
    """The API's document, as /api/v1/openapi.json answers it."""
    document = api.get_openapi_schema(path_prefix=API_PREFIX)
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"


def order_states() -> str:
    """The life of an order as a diagram and as tables."""
    edges = [
        f"    {was} --> {to}: {transition.verb}" for (was, to), transition in TRANSITIONS.items()
    ]
    first = f"    [*] --> {OrderStatus.PENDING}: place"
    last = [f"    {status} --> [*]" for status in OrderStatus if status in FINAL]
    states = (
        (status, status.label, _mark(status in HOLDS_STOCK), _mark(status in FINAL))
        for status in OrderStatus
    )
    transitions = (
        (
            was,
            to,
            transition.verb,
            transition.label,
            f"`{transition.permission}`",
            ", ".join(_roles_with(transition.permission)),
            STOCK_EFFECTS[transition.stock],
        )
        for (was, to), transition in TRANSITIONS.items()
    )
    return _page(
        "The states of an order",
        "orders/states.py",
        "Placing an order reserves its stock. Every step below adds a row to the order's history and an event "
        "to the feed, in the transaction that changes the status. Whatever is not in the table is refused with "
        "409 `illegal_transition`, which names what is `allowed`.",
        "\n".join(["```mermaid", "stateDiagram-v2", first, *edges, *last, "```"]),
        "## States",
        _table(("Status", "Label", "Holds a reservation", "Final"), states),
        "## Transitions",
        _table(("From", "To", "Verb", "Button", "Permission", "Roles", "Stock"), transitions),
        "## Amendments",
        "`PATCH /api/v1/orders/{id}` changes the lines, the due date, the reference, the address and the notes of an "
        "order that is in one of these states; in any other it is refused with 409 `not_amendable`. Stock that this "
        "takes or gives back moves in the same transaction.",
        _table(
            ("Status", "Permission", "Roles"),
            (
                (status, f"`{permission}`", ", ".join(_roles_with(permission)))
                for status, permission in AMENDABLE.items()
            ),
        ),
        "`DELETE /api/v1/orders/{id}` is the verb `cancel` where the table allows it, and then takes the order "
        "out of the lists; of a cancelled order it does only the latter.",
    )


def roles() -> str:
    """Who may do what, in the terms of the domain and of the API."""
    names = [role.label for role in Role]
    permissions = (
        (f"`{permission}`", *(_mark(permission in ROLE_PERMISSIONS[role]) for role in Role))
        for permission in Permission
    )
    managing = (
        (actor.label, *(_mark(may_manage(actor, subject)) for subject in Role)) for actor in Role
    )
    return _page(
        "Roles",
        "accounts/roles.py and the API",
        "Everybody who signs in has one role. It decides alone: there are no groups and no exceptions for single "
        "users. Services enforce it, pages only hide what they would refuse. A machine acts as a user of its own, "
        "whose role decides.",
        "One figure is a user's own: the discount limit, how many percent off the customer's price whoever has "
        "`orders.place_order` may agree upon by themselves, on a line of an order. Whoever has "
        "`orders.agree_on_any_price` has no limit.",
        "## Permissions",
        _table(("Permission", *names), permissions),
        "## Who manages whom",
        "The one on the left may create, change and deactivate users of the role above, and grant that role. Nobody "
        "changes their own role or discount limit, or deactivates themselves, so there is always an active "
        "administrator left.",
        _table(("", *names), managing),
        "## API operations",
        "Anybody may call what needs nothing; `signed in` needs any role. Where a row needs "
        "`orders.view_order` to change a status, the step itself needs the permission of its line in "
        "[order-states.md](order-states.md). Machines may call what is marked so, with the rights of their role.",
        _table(("Operation", "Needs", *names, "Machines"), _operations()),
    )


def _operations() -> Iterator[tuple[str, ...]]:
    permissions = _permissions_by_operation()
    document = api.get_openapi_schema(path_prefix=API_PREFIX)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            permission = permissions[operation["operationId"]]
            ways_in = operation.get("security", [])
            needs = f"`{permission}`" if permission else "signed in" if ways_in else "nothing"
            yield (
                f"`{method.upper()} {path}`",
                needs,
                *(_mark(permission in {None, *ROLE_PERMISSIONS[role]}) for role in Role),
                _mark(any("MachineAuth" in way for way in ways_in)),
            )


def _permissions_by_operation() -> dict[str, Permission | None]:
    """What `accounts.auth.needs` asks for, by operationId."""
    return {
        operation.operation_id: getattr(inner(operation.view_func), "permission", None)
        for _, router in api._routers
        for view in router.path_operations.values()
        for operation in view.operations
        if operation.operation_id
    }


def _roles_with(permission: Permission) -> list[str]:
    return [str(role.label) for role in Role if permission in ROLE_PERMISSIONS[role]]


def _mark(holds: bool) -> str:
    return YES if holds else NO


def _page(title: str, source: str, *blocks: str) -> str:
    made = f"Made by `manage.py write_docs` from {source}. Do not edit it here."
    return "\n\n".join([f"# {title}", made, *blocks]) + "\n"


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(map(str, row)) for row in (head, *rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
