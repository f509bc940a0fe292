"""Where each tenth of a millisecond of an order goes: one thread, in the process, without a server around it.

Run in the product's environment (`python -m e2e.load.stages`, which `make bench` does): it places orders through
the WSGI application, with a clock around each stage, and prints a line of JSON.
"""

import io
import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pkgutil import resolve_name
from typing import Any, Final
from unittest import mock

from e2e.server import ADMIN, PASSWORD

ORDERS: Final = 500
LINES: Final = 5
REST: Final = "Django, ninja and middleware: the rest"
#: Each stage, and the callables that are it; statements as placing sends them.
STAGES: Final = {
    "limits of address and account, key come by before: Redis": [
        "erp_site.core.ratelimit.Limiter.hit"
    ],
    "token, session, user: 1 statement": ["accounts.auth.user_of_access_token"],
    "body: parsed and validated": ["ninja.operation.Operation._get_values"],
    "key and request: what they hash to": [
        "erp_site.core.idempotency.fingerprint",
        "erp_site.core.idempotency.key_hash",
    ],
    "before stock is touched: 6 statements in 2 round trips, BEGIN with the first": [
        "orders.services.placing.together"
    ],
    "what they answered: key, customer, prices": [
        "orders.services.placing._replay",
        "orders.services.placing.orderable_customer",
        "orders.services.placing.price_items",
    ],
    "stock and ledger: 2 statements written down": ["orders.services.placing.move_stock"],
    "lines: 1 statement": ["orders.services.placing._insert_items.later"],
    "history and events: 2 statements": ["orders.services.placing.order_placed.send"],
    "the transaction's begin": ["django.db.transaction.Atomic.__enter__"],
    "these 5 statements and COMMIT, flushed to the disk, in 1 round trip": [
        "django.db.transaction.Atomic.__exit__"
    ],
    "the answer": ["orders.api.whole"],
}


class Clock:
    """Wall and processor seconds of each stage, without those of the stages inside it."""

    def __init__(self) -> None:
        self.wall: defaultdict[str, float] = defaultdict(float)
        self.processor: defaultdict[str, float] = defaultdict(float)
        self._inner = [[0.0, 0.0]]

    def around(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, with its time put down to `stage`."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inner.append([0.0, 0.0])
            wall, processor = time.perf_counter(), time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                wall, processor = time.perf_counter() - wall, time.thread_time() - processor
                inner = self._inner.pop()
                self.wall[stage] += wall - inner[0]
                self.processor[stage] += processor - inner[1]
                self._inner[-1][0] += wall
                self._inner[-1][1] += processor

        return timed


def measure() -> dict[str, list[float]]:
    """Milliseconds of one order by stage: [wall, processor]."""
    from catalog.models import Product  # noqa: PLC0415 -- Django is set up by now
    from customers.models import Customer  # noqa: PLC0415
    from erp_site.wsgi import application  # noqa: PLC0415

    products = list(Product.objects.values_list("pk", flat=True))
    customers = list(Customer.objects.values_list("pk", flat=True))
    serve: Callable[..., Any] = application

    def call(path: str, body: Any, **headers: str) -> tuple[str, Any]:
        content = json.dumps(body).encode()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST", "PATH_INFO": path, "QUERY_STRING": "", "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost",
            "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(content)), "wsgi.input": io.BytesIO(content),
            "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0), **headers,
        }  # fmt: skip
        said: list[str] = []
        answer = serve(environ, lambda status, _headers, _error=None: said.append(status))
        parts = b"".join(answer)
        answer.close()
        return said[0], json.loads(parts)

    _, pair = call("/api/v1/auth/jwt/login", {"email": ADMIN, "password": PASSWORD})

    def place() -> None:
        items = [{"product_id": pk, "quantity": 1} for pk in random.sample(products, LINES)]
        status, answer = call(
            "/api/v1/orders",
            {"customer_id": random.choice(customers), "items": items},
            HTTP_AUTHORIZATION=f"Bearer {pair['access_token']}",
            HTTP_IDEMPOTENCY_KEY=f"{random.getrandbits(64):016x}",
        )
        if status != "201 Created":
            raise RuntimeError(answer)

    for _ in range(50):
        place()
    clock = Clock()
    with ExitStack() as patches:
        for stage, names in STAGES.items():
            for name in names:
                patches.enter_context(mock.patch(name, clock.around(stage, resolve_name(name))))
        serve = clock.around(REST, application)
        for _ in range(ORDERS):
            place()
    return {
        stage: [1000 * clock.wall[stage] / ORDERS, 1000 * clock.processor[stage] / ORDERS]
        for stage in (*STAGES, REST)
    }


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "erp_site.settings")
    django.setup()
    print("STAGES" + json.dumps(measure()))
