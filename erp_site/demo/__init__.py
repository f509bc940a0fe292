"""The demo's sign-ins: `seed_demo` makes them, `serve --demo` prints them."""

from typing import Final

from accounts.roles import Role

PASSWORD: Final = "pedidos-demo-2026"
LOGINS: Final = {role: f"{role.value}@example.com" for role in reversed(Role)}
