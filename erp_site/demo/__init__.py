"""A distributor that does not exist, for demonstrations and tries: its sign-ins, its goods, its customers, its story.

`seed_demo` tells the story once; `serve --demo` prints the sign-ins.
"""

from typing import Final

from accounts.roles import Role

PASSWORD: Final = "pedidos-demo-2026"
LOGINS: Final = {role: f"{role.value}@example.com" for role in reversed(Role)}
