"""What operators and machines see of the site's own state."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from erp_site.core import clock, events
from erp_site.core.consumers import registered
from erp_site.core.events import Aggregate, EventType, Fact
from erp_site.core.models import Delivery, Event
from erp_site.core.transactions import retrying_atomic

from .conftest import database_url

TOKEN = "a-token-for-scraping"


@pytest.fixture
def database_away(transactional_db, monkeypatch):
    """The database cannot be reached while this test runs."""
    is_sqlite = connection.vendor == "sqlite"
    connection.close()
    with monkeypatch.context() as away:
        where, nowhere = ("NAME", "/nowhere/erp") if is_sqlite else ("PORT", "1")
        away.setitem(connection.settings_dict, where, nowhere)
        yield
    connection.close()


def ask(path: str, **headers: str):
    response = Client(raise_request_exception=False).get(path, headers=headers)
    return response.status_code, response


def record_low_stock() -> None:
    with transaction.atomic():
        events.record([Fact(EventType.STOCK_LOW, Aggregate.STOCK, 1, 1)], actor=None)


def in_seconds(seconds: int):
    """What follows happens so much later."""
    return clock.moved_to(clock.now() + timedelta(seconds=seconds))


# --- health


@pytest.mark.django_db
def test_health_says_how_everything_is(settings):
    settings.REDIS_URL = None
    status, response = ask("/health")
    body = response.json()
    milliseconds = body["checks"]["database"].pop("milliseconds")
    assert (status, body) == (
        200,
        {
            "status": "ok",
            "checks": {
                "database": {"status": "ok", "engine": connection.vendor},
                "migrations": {"status": "ok", "missing": 0},
                "cache": {"status": "ok", "engine": "memory"},
                "outbox": {"status": "ok", "lag_seconds": 0.0, "dead_letters": 0},
            },
        },
    )
    assert 0 <= milliseconds < 1000
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
def test_liveness_asks_nobody(django_assert_num_queries):
    with django_assert_num_queries(0):
        status, response = ask("/health/live")
    assert (status, response.json()) == (200, {"status": "ok"})


def test_without_a_database_it_lives_and_is_not_ready(database_away, settings):
    settings.REDIS_URL = None
    assert ask("/health/live")[0] == 200
    status, response = ask("/health/ready")
    assert status == 503
    unreachable = {
        "database": {"status": "unavailable"},
        "migrations": {"status": "unknown"},
    }
    assert response.json() == {"status": "unavailable", "checks": unreachable}
    status, response = ask("/health")
    assert status == 503
    assert response.json() == {
        "status": "unavailable",
        "checks": {
            **unreachable,
            "cache": {"status": "ok", "engine": "memory"},
            "outbox": {"status": "unknown"},
        },
    }


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_with_a_migration_missing_it_is_not_ready(path):
    assert ask(path)[0] == 200
    MigrationRecorder.Migration.objects.filter(app="catalog").latest("pk").delete()
    status, response = ask(path)
    body = response.json()
    assert (status, body["status"]) == (503, "unavailable")
    assert body["checks"]["migrations"]["status"] == "unavailable"
    assert body["checks"]["migrations"]["missing"] >= 1


@pytest.mark.django_db
def test_without_redis_it_is_degraded_and_still_ready(redis_server):
    assert ask("/health")[1].json()["checks"]["cache"]["engine"] == "redis"
    assert ask("/health")[1].json()["status"] == "ok"
    redis_server.stop()
    status, response = ask("/health")
    assert (status, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"]["cache"] == {"status": "degraded", "engine": "redis"}
    assert ask("/health/ready")[0] == 200


@pytest.mark.django_db
def test_a_hung_redis_does_not_hang_the_answer(redis_server):
    ask("/health")
    redis_server.hang()
    began = time.perf_counter()
    assert ask("/health")[1].json()["status"] == "degraded"
    assert time.perf_counter() - began < 5


@pytest.mark.django_db
def test_an_outbox_that_is_a_minute_late_is_degraded():
    record_low_stock()
    with in_seconds(61):
        status, response = ask("/health")
    outbox = response.json()["checks"]["outbox"]
    assert (status, response.json()["status"], outbox["status"]) == (200, "degraded", "degraded")
    assert 61 <= outbox["lag_seconds"] < 120


@pytest.mark.django_db
def test_demo_data_of_a_day_of_the_past_is_not_late():
    with clock.moved_to(clock.now() - timedelta(days=90)):
        record_low_stock()
    status, response = ask("/health")
    assert (status, response.json()["status"]) == (200, "ok")
    assert 0 <= response.json()["checks"]["outbox"]["lag_seconds"] < 60


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics"])
def test_health_is_for_reading(path, method):
    """Whoever sends something is told so, and not that a form is not theirs."""
    response = Client(enforce_csrf_checks=True).generic(method, path)
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


# --- metrics


def scrape() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    status, response = ask("/metrics", authorization=f"Bearer {TOKEN}")
    assert status == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def sample(name: str, **labels: str) -> float:
    return scrape().get((name, tuple(sorted(labels.items()))), 0.0)


@pytest.mark.django_db
def test_metrics_are_off_without_a_token_and_for_its_bearer_with_one(settings):
    settings.METRICS_TOKEN = None
    assert ask("/metrics")[0] == 404
    assert ask("/metrics", authorization="Bearer ")[0] == 404
    settings.METRICS_TOKEN = TOKEN
    status, response = ask("/metrics")
    assert (status, response["WWW-Authenticate"]) == (401, "Bearer")
    assert response["Content-Type"] == "application/problem+json"
    assert b"erp_" not in response.content
    for wrong in ("Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xe4", TOKEN):
        assert ask("/metrics", authorization=wrong)[0] == 401
    status, response = ask("/metrics", authorization=f"Bearer {TOKEN}")
    assert (status, response["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


@pytest.mark.django_db
def test_requests_are_counted_by_route_and_not_by_id(settings, api):
    settings.METRICS_TOKEN = TOKEN
    labels = {"method": "GET", "route": "/api/v1/orders/<order_id>", "status": "404"}
    before = sample("erp_http_requests_total", **labels)
    for order_id in (1001, 1002):
        assert api.get(f"/orders/{order_id}").status == 404
    assert sample("erp_http_requests_total", **labels) == before + 2


@pytest.mark.django_db
def test_an_unknown_address_and_method_are_one_route_and_one_method(settings):
    settings.METRICS_TOKEN = TOKEN
    labels = {"method": "other", "route": "unmatched", "status": "404"}
    before = sample("erp_http_requests_total", **labels)
    for path in ("/no/such/page", "/nor/this"):
        assert Client().generic("BREW", path).status_code == 404
    assert sample("erp_http_requests_total", **labels) == before + 2


@pytest.mark.django_db
def test_latency_is_counted(settings):
    settings.METRICS_TOKEN = TOKEN
    labels = {"method": "GET", "route": "/health/live"}
    before = sample("erp_http_request_seconds_count", **labels)
    ask("/health/live")
    assert sample("erp_http_request_seconds_count", **labels) == before + 1


@pytest.mark.django_db
def test_replays_are_counted(settings, api_as, operator, customer, product):
    settings.METRICS_TOKEN = TOKEN
    before = sample("erp_idempotency_replays_total")
    order = {
        "customer_id": customer.pk,
        "items": [{"product_id": product.pk, "quantity": 1}],
        "idempotency_key": "one",
    }
    desk = api_as(operator)
    assert [desk.post("/orders", order).status for _ in range(3)] == [201, 200, 200]
    assert sample("erp_idempotency_replays_total") == before + 2


@pytest.mark.django_db(transaction=True)
def test_retried_transactions_are_counted(settings):
    settings.METRICS_TOKEN = TOKEN
    before = sample("erp_transaction_retries_total")
    failures = [OperationalError(1213, "database is locked")] * 2

    @retrying_atomic
    def unlucky() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert unlucky() == "done"
    assert sample("erp_transaction_retries_total") == before + 2


@pytest.mark.django_db
def test_the_outbox_is_measured(settings):
    settings.METRICS_TOKEN = TOKEN
    assert sample("erp_outbox_lag_seconds") == 0
    record_low_stock()
    with in_seconds(10):
        assert 10 <= sample("erp_outbox_lag_seconds") < 60
    event = Event.objects.get()
    for consumer, state in (("a", "open"), ("b", "dead"), ("c", "dead"), ("d", "done")):
        Delivery.objects.create(
            event=event,
            consumer=consumer,
            state=state,
            aggregate="stock",
            aggregate_id=1,
            position=1,
            due_at=clock.now(),
        )
    outbox = {key: value for key, value in scrape().items() if key[0].startswith("erp_outbox_")}
    outbox.pop(("erp_outbox_lag_seconds", ()))
    # Those that have nothing are told of too: an alarm compares with 0, not with nothing.
    assert outbox == {
        **{
            (name, (("consumer", consumer.name),)): 0
            for name in ("erp_outbox_open", "erp_outbox_dead_letters")
            for consumer in registered()
        },
        ("erp_outbox_open", (("consumer", "a"),)): 1,
        ("erp_outbox_dead_letters", (("consumer", "b"),)): 1,
        ("erp_outbox_dead_letters", (("consumer", "c"),)): 1,
    }


def test_metrics_go_on_without_a_database(database_away, settings):
    settings.METRICS_TOKEN = TOKEN
    ask("/health/live")
    names = {name for name, _ in scrape()}
    assert "erp_http_requests_total" in names
    assert "erp_outbox_lag_seconds" not in names


@pytest.mark.django_db(transaction=True)
def test_every_worker_process_tells_of_all():
    """Two forked workers answer, the parent is asked: as a site with WEB_WORKERS=2."""
    code = """
import os, django
django.setup()
from django.test import Client
for _ in range(2):
    if os.fork() == 0:
        for _ in range(3):
            Client().get("/health/live")
        os._exit(0)
for _ in range(2):
    assert os.wait()[1] == 0
print(Client().get("/metrics", headers={"authorization": "Bearer x"}).text)
print("DIRECTORY", os.environ["PROMETHEUS_MULTIPROC_DIR"])
"""
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "REDIS_URL": "",
        "METRICS_TOKEN": "x",
        "DJANGO_SETTINGS_MODULE": "erp_site.settings",
        "ALLOWED_HOSTS": "testserver",
    }
    output = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        check=True,
        timeout=30,
        capture_output=True,
        text=True,
    ).stdout
    line = 'erp_http_requests_total{method="GET",route="/health/live",status="200"} 6.0'
    assert line in output.splitlines()
    directory = output.split("DIRECTORY ")[1].strip()
    assert not Path(directory).exists(), "the numbers go with the process that made their folder"
