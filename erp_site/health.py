"""Is it well? For people (/health), for orchestrators (/health/live, /health/ready) and for Prometheus (/metrics).

They are read and nothing else: exempt from CSRF, so that whoever sends something gets 405, and no page about forms.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from erp_site.core import metrics as numbers
from erp_site.core import outbox, redis
from erp_site.core.problems import problem
from erp_site.core.schema import missing_migrations

log = structlog.get_logger(__name__)

LATE: Final = 60.0  # seconds of outbox lag from which the site counts as degraded
OK: Final = "ok"
DEGRADED: Final = "degraded"
DOWN: Final = "unavailable"

type Check = Callable[[], dict[str, Any]]


@csrf_exempt
@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """The process answers. No I/O: a database that is away is no reason to restart it."""
    return JsonResponse({"status": OK})


@csrf_exempt
@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """May requests be sent here? 503 while the database is away or migrations are missing."""
    return _answer({"database": _database, "migrations": _migrations})


@csrf_exempt
@require_safe
@never_cache
def health(request: HttpRequest) -> HttpResponse:
    """Everything at a glance: 503 like `ready`; a Redis that is away or a late outbox is "degraded", 200."""
    return _answer(
        {"database": _database, "migrations": _migrations, "cache": _cache, "outbox": _outbox}
    )


@csrf_exempt
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus's text format; 404 unless METRICS_TOKEN is set, then for its bearer alone."""
    if not settings.METRICS_TOKEN:
        raise Http404
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    if not secrets.compare_digest(request.headers.get("Authorization", "").encode(), expected):
        return problem(401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(
        numbers.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8"
    )


def _answer(checks: dict[str, Check]) -> HttpResponse:
    results: dict[str, dict[str, Any]] = {}
    for name, check in checks.items():
        if results.get("database", {}).get("status") == DOWN and name != "cache":
            results[name] = {"status": "unknown"}
        else:
            results[name] = check()
    statuses = {result["status"] for result in results.values()}
    status = DOWN if DOWN in statuses else DEGRADED if DEGRADED in statuses else OK
    return JsonResponse(
        {"status": status, "checks": results}, status=503 if status == DOWN else 200
    )


def _database() -> dict[str, Any]:
    began = time.perf_counter()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as error:
        log.warning("health_database", error=str(error))
        connection.close()
        return {"status": DOWN}
    return {"status": OK, "engine": connection.vendor, "milliseconds": _since(began)}


def _migrations() -> dict[str, Any]:
    try:
        missing = missing_migrations()
    except (DatabaseError, InterfaceError) as error:
        log.warning("health_migrations", error=str(error))
        return {"status": DOWN}
    return {"status": DOWN if missing else OK, "missing": len(missing)}


def _cache() -> dict[str, Any]:
    accelerator = redis.best_effort()
    if accelerator is None:
        return {"status": OK, "engine": "memory"}
    began = time.perf_counter()
    if not accelerator.attempt(lambda client: client.ping()):
        return {"status": DEGRADED, "engine": "redis"}
    return {"status": OK, "engine": "redis", "milliseconds": _since(began)}


def _outbox() -> dict[str, Any]:
    try:
        lag = outbox.lag()
        dead = sum(outbox.counts(outbox.State.DEAD).values())
    except (DatabaseError, InterfaceError) as error:
        log.warning("health_outbox", error=str(error))
        return {"status": DEGRADED}
    return {
        "status": DEGRADED if lag > LATE else OK,
        "lag_seconds": round(lag, 3),
        "dead_letters": dead,
    }


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
