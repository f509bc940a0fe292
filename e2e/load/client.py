"""Clients in a closed loop, one process: each sends its next request when the answer to the last has come."""

import itertools
import json
import random
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, Final
from urllib.parse import urlencode

type Requests = Iterator[bytes]


@dataclass
class Result:
    """What came of it. Times in seconds."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return sum(self.statuses.values()) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds that `share` of the answers took at most."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class _Connection:
    socket: socket.socket
    sent: float = 0.0
    received: bytes = b""


def request(method: str, path: str, token: str, body: Any = None, **headers: str) -> bytes:
    """A request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    return _written(method, path, token, content, "application/json", headers)


def _written(
    method: str, path: str, token: str, content: bytes, kind: str, headers: Mapping[str, str]
) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1", "Host: 127.0.0.1",
        *([f"Authorization: Bearer {token}"] if token else []),
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]  # fmt: skip
    if content:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def orders(
    token: str,
    products: Sequence[int],
    customers: Sequence[int],
    *,
    lines: int = 5,
    hot: int | None = None,
    key: Callable[[int], str] | None = None,
) -> Requests:
    """Orders of `lines` products each; with `hot`, one of them is always this product. A new key for each."""
    run = f"{random.getrandbits(64):016x}"
    number = 0
    if key is not None:  # the same body with every key, so that a key used again is a replay
        products, customers = products[:lines], customers[:1]
    while True:
        chosen = random.sample(products, lines)
        if hot is not None and hot not in chosen:
            chosen[0] = hot
        items = [
            {"product_id": each, "quantity": 1 if key else random.randint(1, 5)}
            for each in sorted(chosen)
        ]
        number += 1
        name = key(number) if key else f"{run}-{number}"
        yield request(
            "POST",
            "/api/v1/orders",
            token,
            {"customer_id": random.choice(customers), "items": items},
            Idempotency_Key=name,
        )


def pages(paths: Sequence[str], cookie: str) -> Requests:
    """Pages as a browser asks for them, one after the other."""
    for path in itertools.cycle(paths):
        yield request("GET", path, "", Cookie=cookie)


def lines_added(codes: Sequence[str], present: Sequence[int], cookie: str) -> Requests:
    """A product scanned at the order desk, with so many lines in the form already."""
    cookies = dict(part.split("=", 1) for part in cookie.split("; "))
    headers = {"Cookie": cookie, "HX-Request": "true", "X-CSRFToken": cookies["csrftoken"]}
    there = [("product", str(each)) for each in present] + [("quantity", "1")] * len(present)
    for code in itertools.cycle(codes):
        form = urlencode([*there, ("code", code), ("action", "add")]).encode()
        kind = "application/x-www-form-urlencoded"
        yield _written("POST", "/orders/new", "", form, kind, headers)


def reads(paths: Sequence[str], token: str) -> Requests:
    """Calls of the API that change nothing, one after the other."""
    for path in itertools.cycle(paths):
        yield request("GET", path, token)


AHEAD: Final = 1000  # requests written down for each second, before the clock starts


def run(port: int, clients: int, seconds: float, requests: Requests) -> Result:
    """Load the port with `clients` connections for so long, in this process.

    Most requests are made beforehand: the processors belong to what is measured.
    """
    requests = itertools.chain(list(itertools.islice(requests, int(AHEAD * seconds))), requests)
    result = Result()
    selector = selectors.DefaultSelector()
    began = time.perf_counter()
    for _ in range(clients):
        connection = _Connection(socket.create_connection(("127.0.0.1", port)))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.sent = time.perf_counter()
        connection.socket.sendall(next(requests))
    busy = clients
    end = began + seconds
    while busy:
        for ready, _ in selector.select(timeout=60) or _silence():
            connection = ready.data
            part = connection.socket.recv(65536)
            if not part:
                raise ConnectionError("the server closed a connection")
            connection.received += part
            status = _complete(connection.received)
            if status is None:
                continue
            now = time.perf_counter()
            result.statuses[status] += 1
            result.latencies.append(now - connection.sent)
            connection.received = b""
            if now < end:
                connection.sent = now
                connection.socket.sendall(next(requests))
            else:
                busy -= 1
                selector.unregister(connection.socket)
                connection.socket.close()
    result.seconds = time.perf_counter() - began
    return result


def _silence() -> Any:
    raise TimeoutError("no answer for 60 seconds")


def _complete(received: bytes) -> int | None:
    """The status, if the whole answer is there."""
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return None
    lower = head.lower()
    start = lower.find(b"content-length:")
    length = int(lower[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
    return int(head[9:12]) if len(body) >= length else None


def _entry(pipe: Any, where: tuple[int, int, float], make: Any, arguments: Any) -> None:
    pipe.send(run(*where, make(*arguments[0], **arguments[1])))


def load(
    port: int,
    clients: int,
    seconds: float,
    make: Callable[..., Requests],
    *args: Any,
    **kwargs: Any,
) -> Result:
    """`run` in a process of its own, with the requests that `make(*args, **kwargs)` makes there."""
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(
        target=_entry, args=(theirs, (port, clients, seconds), make, (args, kwargs)), daemon=True
    )
    process.start()
    theirs.close()
    try:
        result: Result = ours.recv()
    finally:
        process.join()
    return result
