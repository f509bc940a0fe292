"""A shop to be measured: its goods, its customers, and somebody who orders."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import httpx
import psutil

from e2e.server import ADMIN, PASSWORD, ROOT, Site

PRODUCTS: Final = 2000
CUSTOMERS: Final = 200
PLENTY: Final = 900_000_000  # pieces on hand of each product

#: Run in the product (`manage.py shell`): fills an empty database, and prints what is in it.
STOCK_UP: Final = f"""
import json
from accounts.models import User
from catalog.models import Product, StockLevel
from catalog.services import create_product
from customers.models import Customer
from customers.services import create_customer
from django.db import connection, transaction
from erp_site.core.taxid import cpf_check_digits
actor = User.objects.get(email="{ADMIN}")
if not Product.objects.exists():
    with transaction.atomic():
        for n in range({PRODUCTS}):
            create_product(actor=actor, sku=f"BENCH-{{n:05d}}", name=f"Produto {{n}} de teste",
                           price=f"{{10 + n % 90}}.90", on_hand={PLENTY})
        for n in range({CUSTOMERS}):
            base = f"{{100000000 + n * 7919:09d}}"
            create_customer(actor=actor, name=f"Cliente {{n}} Ltda", cpf_cnpj=base + cpf_check_digits(base),
                            email=f"c{{n}}@example.com", address=f"Rua das Flores, {{n}}")
    # Ids that are nothing else, so that the floor finds them again among the values of captured statements.
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("ALTER TABLE orders_order AUTO_INCREMENT = 1000003")
        else:
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = 'orders_order'")
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('orders_order', 1000003)")
levels = dict(StockLevel.objects.values_list("product_id", "pk"))
customers = list(Customer.objects.values_list("pk", flat=True))
print("SHOP" + json.dumps({{"actor": actor.pk, "levels": levels, "customers": customers}}))
"""


@dataclass
class Cost:
    """Processor time in seconds, of the product's processes and of the database's."""

    product: float
    database: float

    def __sub__(self, other: Self) -> "Cost":
        return Cost(self.product - other.product, self.database - other.database)


def database_server(port: int | None) -> psutil.Process | None:
    """The process of MariaDB or MySQL on this machine; SQLite has none of its own."""
    for each in psutil.net_connections("tcp4"):
        if each.status == psutil.CONN_LISTEN and each.laddr[1:] == (port,) and each.pid:
            return psutil.Process(each.pid)
    return None


def processor_time(*processes: psutil.Process) -> float:
    """Seconds, of these processes and all their living children."""
    total = 0.0
    for process in processes:
        for member in (process, *process.children(recursive=True)):
            times = member.cpu_times()
            total += times.user + times.system
    return total


class Shop:
    """A site with goods in it, and a Bearer token to order with."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.database = database_server(urlsplit(site.environment()["DATABASE_URL"]).port)
        self.products: list[int] = []
        self.levels: dict[int, int] = {}
        self.customers: list[int] = []
        self.actor = 0

    def stock_up(self) -> Self:
        done = self.site.manage("shell", "-v", "0", "-c", STOCK_UP)
        line = next((one for one in done.stdout.splitlines() if one.startswith("SHOP")), None)
        if line is None:
            raise RuntimeError(done.stdout + done.stderr)
        shop = json.loads(line[4:])
        self.levels = {int(product): level for product, level in shop["levels"].items()}
        self.products, self.customers = sorted(self.levels), shop["customers"]
        self.actor = shop["actor"]
        return self

    def token(self) -> str:
        """A new access token; it lives for five minutes."""
        body = {"email": ADMIN, "password": PASSWORD}
        answer = httpx.post(f"{self.site.url}/api/v1/auth/jwt/login", json=body, timeout=30)
        return str(answer.raise_for_status().json()["access_token"])

    def cookie(self) -> str:
        """A new session, as a browser sends it."""
        with httpx.Client(base_url=self.site.url, timeout=30) as browser:
            token = browser.get("/api/v1/auth/csrf").raise_for_status().json()["csrf_token"]
            browser.post(
                "/api/v1/auth/session/login",
                json={"email": ADMIN, "password": PASSWORD},
                headers={"X-CSRFToken": token},
            ).raise_for_status()
            return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())

    def orders(self, number: int) -> list[int]:
        """Ids of the latest orders."""
        answer = httpx.get(
            f"{self.site.url}/api/v1/orders",
            params={"limit": number},
            headers={"Authorization": f"Bearer {self.token()}"},
            timeout=30,
        )
        return [order["id"] for order in answer.raise_for_status().json()["items"]]

    def cost(self) -> Cost:
        database = processor_time(self.database) if self.database else 0.0
        return Cost(processor_time(self.site.process), database)

    def stages(self) -> dict[str, list[float]]:
        """Milliseconds of one order by stage, see e2e.load.stages."""
        done = subprocess.run(
            [sys.executable, "-m", "e2e.load.stages"],
            cwd=ROOT,
            env=os.environ | self.site.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        line = next((one for one in done.stdout.splitlines() if one.startswith("STAGES")), None)
        if line is None:
            raise RuntimeError(done.stdout + done.stderr)
        return dict(json.loads(line[6:]))

    def integrity(self) -> str:
        """One line of figures from check_integrity.

        Raises:
            RuntimeError: something is wrong.
        """
        done = self.site.manage("check_integrity")
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout.strip().splitlines()[-1]


def site_for(folder: Path, database_url: str, redis_url: str, **variables: str) -> Site:
    """The product as it is measured: as somebody would run it, its limits at work but out of reach."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = {
        "PRODUCTION": "on", "ALLOWED_HOSTS": "127.0.0.1,localhost", "RATE_LIMIT": "1000000000/minute", "RELAY": "off"
    }  # fmt: skip
    return Site(folder, database_url, redis_url=redis_url, **{**usual, **variables})
