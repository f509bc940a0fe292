"""What clients do at the desk over HTTP, alone and in crowds, and how they behave when it does not answer."""

import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx

from e2e.server import ADMIN, PASSWORD, Site
from erp_site.core import taxid

TIMEOUT: Final = 60.0  # seconds for one answer; far beyond what any may take
RENEW_AFTER: Final = 240.0  # seconds; an access token lives for 300
FOUND_BY: Final = 90.0  # seconds for which a client repeats a request that was not answered

type Lines = Sequence[tuple[int, int]]  # product and quantity


class SignedIn(httpx.Auth):
    """Bearer tokens of one person, renewed in time. A failed sign-in is handed on as the answer."""

    requires_response_body = True

    def __init__(self, email: str) -> None:
        self._email = email
        self._token = ""
        self._until = 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if time.monotonic() > self._until:
            login = request.url.copy_with(raw_path=b"/api/v1/auth/jwt/login")
            answer = yield httpx.Request(
                "POST", login, json={"email": self._email, "password": PASSWORD}
            )
            if answer.status_code != 200:
                return
            self._token = answer.json()["access_token"]
            self._until = time.monotonic() + RENEW_AFTER
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class Desk:
    """The API as one signed-in person uses it, from as many threads as wanted."""

    def __init__(self, site: Site, email: str) -> None:
        self.http = httpx.Client(
            base_url=f"{site.url}/api/v1",
            auth=SignedIn(email),
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    # --- one request each

    def place(self, customer: int, lines: Lines, key: str, **fields: Any) -> httpx.Response:
        """POST /orders with the key in the header."""
        return self.http.post(
            "/orders", json=_order(customer, lines, **fields), headers={"Idempotency-Key": key}
        )

    def place_with_key_in_body(self, customer: int, lines: Lines, key: str) -> httpx.Response:
        return self.http.post("/orders", json=_order(customer, lines, idempotency_key=key))

    def amend(self, order: int, lines: Lines) -> httpx.Response:
        items = [{"product_id": product, "quantity": quantity} for product, quantity in lines]
        return self.http.patch(f"/orders/{order}", json={"items": items})

    def move(self, order: int, status: str) -> httpx.Response:
        """PATCH /orders/{id}/status."""
        return self.http.patch(f"/orders/{order}/status", json={"status": status})

    def delete(self, order: int) -> httpx.Response:
        return self.http.delete(f"/orders/{order}")

    def receive(self, product: int, pieces: int) -> httpx.Response:
        """More stock of a product."""
        return self.http.patch(
            f"/products/{product}/stock", json={"delta": pieces, "reason": "received"}
        )

    # --- setting the scene, reading the outcome

    def make_user(self, role: str) -> str:
        """Somebody with this role; the e-mail to sign in with."""
        email = f"{role}-{secrets.token_hex(4)}@example.com"
        person = {"email": email, "name": role.title(), "role": role, "password": PASSWORD}
        return str(_made(self.http.post("/auth/users", json=person))["email"])

    def make_product(self, on_hand: int) -> int:
        sku = f"F-{secrets.token_hex(6)}"
        product = {"sku": sku, "name": f"Product {sku}", "price": "10.00", "on_hand": on_hand}
        return int(_made(self.http.post("/products", json=product))["id"])

    def make_customer(self) -> int:
        root = f"{secrets.token_hex(4).upper()}0001"
        customer = {
            "name": f"Customer {root}",
            "cpf_cnpj": root + taxid.cnpj_check_digits(root),
            "email": f"{root}@example.com",
        }
        return int(_made(self.http.post("/customers", json=customer))["id"])

    def stock(self, product: int) -> tuple[int, int, int]:
        """On hand, reserved and available."""
        found = self.http.get(f"/products/{product}").raise_for_status().json()
        return found["on_hand"], found["reserved"], found["available"]

    def pages(self, path: str, **query: Any) -> Iterable[dict[str, Any]]:
        """Every row of a list, by cursor."""
        cursor: str | None = None
        while True:
            wanted = {**query, "limit": 100} | ({"cursor": cursor} if cursor else {})
            page = self.http.get(path, params=wanted).raise_for_status().json()
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def ledger(self, product: int) -> tuple[int, int]:
        """On hand and reserved as the sum of the product's movements."""
        movements = list(self.pages(f"/products/{product}/movements"))
        return (
            sum(movement["delta_on_hand"] for movement in movements),
            sum(movement["delta_reserved"] for movement in movements),
        )


def _order(customer: int, lines: Lines, **fields: Any) -> dict[str, Any]:
    items = [{"product_id": product, "quantity": quantity} for product, quantity in lines]
    return {"customer_id": customer, "items": items, **fields}


def _made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def administrator(site: Site) -> Desk:
    return Desk(site, ADMIN)


def new_key() -> str:
    return secrets.token_hex(16)


def outcomes(answers: Iterable[httpx.Response]) -> Counter[str]:
    """How often which answer came, in words: "201", "200 replayed", "409 insufficient_stock"."""
    return Counter(map(outcome, answers))


def outcome(answer: httpx.Response) -> str:
    if answer.status_code >= 400:
        return f"{answer.status_code} {answer.json()['code']}"
    replayed = answer.headers.get("Idempotent-Replayed") == "true"
    return f"{answer.status_code} replayed" if replayed else str(answer.status_code)


# --- crowds


def at_once[T](*jobs: Callable[[], T]) -> list[T]:
    """Every job in a thread of its own, all released together; results in order, the first error raised."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T:
        barrier.wait(timeout=30)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


@dataclass
class Timed[T]:
    """What a crowd brought back, and how long it took."""

    results: list[T]
    seconds: float
    each: list[float]  # seconds of every job, sorted

    def __str__(self) -> str:
        count = len(self.results)
        middle, slow = self.each[count // 2], self.each[min(count - 1, count * 99 // 100)]
        return (
            f"{self.seconds:.1f} s, {count / self.seconds:.0f}/s, "
            f"median {middle * 1000:.0f} ms, p99 {slow * 1000:.0f} ms"
        )


def crowd[T](clients: int, jobs: Sequence[Callable[[], T]]) -> Timed[T]:
    """All jobs, shared out among so many clients that work at the same time."""

    def run(job: Callable[[], T]) -> tuple[T, float]:
        began = time.monotonic()
        return job(), time.monotonic() - began

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        done = list(pool.map(run, jobs))
    seconds = time.monotonic() - began
    return Timed([result for result, _ in done], seconds, sorted(took for _, took in done))


@dataclass
class Weather:
    """What clients went through until they were answered."""

    happened: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str) -> None:
        with self._lock:
            self.happened[what] += 1


def insist(send: Callable[[], httpx.Response], weather: Weather) -> httpx.Response:
    """Repeat a request until it is answered, as a good client does with an idempotent one.

    A broken connection and a 503 with Retry-After are reasons to try again; any other answer is the answer.
    """
    deadline = time.monotonic() + FOUND_BY
    while True:
        try:
            answer = send()
        except httpx.TransportError as error:
            weather.add("cut off")
            if time.monotonic() > deadline:
                raise AssertionError("nobody answers") from error
        else:
            if answer.status_code != 503:
                return answer
            told = (answer.headers.get("Retry-After"), answer.headers["Content-Type"])
            assert told == ("2", "application/problem+json"), answer.text
            weather.add("503")
            assert time.monotonic() < deadline, "the site does not recover"
        # Sooner than Retry-After asks for: these clients are to be a nuisance.
        time.sleep(random.uniform(0.05, 0.3))
