"""What Prometheus may ask: requests, retries, replays and deliveries as they happen, the outbox when it asks.

A site has several worker processes and a scrape reaches one of them. So that it tells of all, they write
their numbers to files in one directory, made by the first process that loads this module (their parent) and
removed with it. That costs a little on each request, and is done only if METRICS_TOKEN is set.
"""

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Final

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse

_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is imported


def _share_among_processes() -> None:
    directory = tempfile.mkdtemp(prefix="erp-metrics-")
    os.environ[_DIRECTORY] = directory
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)


if settings.METRICS_TOKEN and _DIRECTORY not in os.environ:
    _share_among_processes()

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest  # noqa: E402 -- see above
from prometheus_client.core import GaugeMetricFamily, Metric  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402
from prometheus_client.registry import Collector  # noqa: E402

_local: Final = CollectorRegistry()

REQUESTS: Final = Counter(
    "erp_http_requests", "Requests answered", ["method", "route", "status"], registry=_local
)
LATENCY: Final = Histogram(
    "erp_http_request_seconds",
    "Time from request to answer",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=_local,
)
REPLAYS: Final = Counter(
    "erp_idempotency_replays",
    "Requests answered with what their key had made before",
    registry=_local,
)
RETRIES: Final = Counter(
    "erp_transaction_retries",
    "Transactions run again after a deadlock or a lock wait",
    registry=_local,
)
DELIVERIES: Final = Counter(
    "erp_deliveries", "Deliveries tried, by outcome: done, failed, dead", ["consumer", "outcome"], registry=_local
)  # fmt: skip
UNSENT: Final = Counter(
    "erp_mails_unsent", "Mails that the mail server did not take", registry=_local
)


class OutboxCollector(Collector):
    """How far the relay is behind, asked from the database at each scrape: true for all processes.

    Without a database there is nothing to say here, and everything else is told all the same.
    """

    def collect(self) -> Iterator[Metric]:
        from . import consumers, outbox  # noqa: PLC0415 -- the outbox counts its deliveries here

        none = {consumer.name: 0 for consumer in consumers.registered()}
        try:
            lag = outbox.lag()
            open_, dead = outbox.counts(outbox.State.OPEN), outbox.counts(outbox.State.DEAD)
        except (DatabaseError, InterfaceError):
            return
        yield GaugeMetricFamily(
            "erp_outbox_lag_seconds", "Age of the oldest event that is not everywhere yet", lag
        )
        yield _by_consumer("erp_outbox_open", "Deliveries under way", none | open_)
        yield _by_consumer("erp_outbox_dead_letters", "Deliveries given up", none | dead)


def _by_consumer(name: str, documentation: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=["consumer"])
    for consumer, count in counts.items():
        family.add_metric([consumer], count)
    return family


def exposition() -> bytes:
    """Everything, in Prometheus's text format 0.0.4."""
    requests = _local
    if _DIRECTORY in os.environ:
        requests = CollectorRegistry()
        MultiProcessCollector(requests)
    database = CollectorRegistry()
    database.register(OutboxCollector())
    return generate_latest(requests) + generate_latest(database)


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class MetricsMiddleware:
    """Counts answers and their time, by the route's pattern, so that ids do not become labels.

    Only where somebody may read it: without METRICS_TOKEN there is no `/metrics`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.METRICS_TOKEN:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        route = "/" + request.resolver_match.route if request.resolver_match else "unmatched"
        method = request.method if request.method in _METHODS else "other"
        REQUESTS.labels(method, route, str(response.status_code)).inc()
        LATENCY.labels(method, route).observe(time.perf_counter() - began)
        if response.headers.get("Idempotent-Replayed") == "true":
            REPLAYS.inc()
        return response
