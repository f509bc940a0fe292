"""Requests a minute by client address and account: atomic in Redis, in process when Redis is away."""

import math
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from .problems import ApiError, problem

log = structlog.get_logger(__name__)

LIMITED: Final = ("/api/", "/identity/o/api/", "/_allauth/")
REDIS_PAUSE: Final = 5.0  # seconds that Redis is left alone after a failure
TOO_MANY: Final = "Too many requests; wait and try again."


def client_ip(request: HttpRequest) -> str:
    """The caller's address; X-Forwarded-For is believed for TRUSTED_PROXIES hops, counted from the right.

    IPv6 is counted by /64, the smallest network a customer gets.
    """
    address = request.META.get("REMOTE_ADDR", "") or "0.0.0.0"  # noqa: S104 -- an unknown peer, not a bind
    hops = [
        hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()
    ]
    if settings.TRUSTED_PROXIES and len(hops) >= settings.TRUSTED_PROXIES:
        address = hops[-settings.TRUSTED_PROXIES]
    try:
        ip = ip_address(address)
    except ValueError:
        return "unknown"
    if ip.version == 6:
        return str(ip_network(f"{ip}/64", strict=False).network_address)
    return str(ip)


class Hit(NamedTuple):
    """What counting one more request came to."""

    allowed: bool
    remaining: int
    reset: int  # seconds until the window ends


class Limiter:
    """Counts hits; says whether one more is allowed, how many are left, and when the window ends."""

    def __init__(self, item: RateLimitItem, redis_url: str | None) -> None:
        self.item = item
        self.local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self.shared = (
            SlidingWindowCounterRateLimiter(
                storage_from_string(
                    redis_url,
                    key_prefix="erp:limit",
                    wrap_exceptions=True,
                    socket_connect_timeout=0.1,
                    socket_timeout=0.1,
                )
            )
            if redis_url
            else None
        )
        self.pause_until = 0.0
        self.lock = threading.Lock()

    def hit(self, *identity: str) -> Hit:
        """Count one more request of this identity."""
        if self.shared and time.monotonic() >= self.pause_until:
            try:
                return self._hit(self.shared, *identity)
            except Exception as error:  # noqa: BLE001 -- whatever Redis does, requests go on
                with self.lock:
                    if time.monotonic() >= self.pause_until:
                        log.warning("rate_limit_without_redis", error=str(error))
                    self.pause_until = time.monotonic() + REDIS_PAUSE
        return self._hit(self.local, *identity)

    def _hit(self, limiter: SlidingWindowCounterRateLimiter, *identity: str) -> Hit:
        allowed = limiter.hit(self.item, *identity)
        window = limiter.get_window_stats(self.item, *identity)
        # limits reports "now" as the end on the first hit of a window.
        reset = math.ceil(max(0.0, window.reset_time - time.time())) or self.item.get_expiry()
        return Hit(allowed, max(0, window.remaining), max(1, reset))


def count_account(request: HttpRequest, account: int) -> None:
    """Count this request for the signed-in account too, from whichever addresses it comes.

    Raises:
        ApiError: 429 `rate_limited` with Retry-After.
    """
    limiter: Limiter | None = getattr(request, "rate_limiter", None)
    if limiter is None:
        return
    hit = limiter.hit("account", str(account))
    request.account_hit = hit  # type: ignore[attr-defined]  # for the middleware's headers
    if not hit.allowed:
        raise ApiError(429, TOO_MANY, headers={"Retry-After": str(hit.reset)})


class RateLimitMiddleware:
    """RateLimit-* headers on the API, 429 with Retry-After beyond. Before sessions, so a refusal is cheap."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.limiter = None
        if settings.RATE_LIMIT == "off":
            log.warning(
                "rate_limit_off", detail="RATE_LIMIT=off: neither requests nor sign-ins are limited"
            )
        else:
            self.limiter = Limiter(parse(settings.RATE_LIMIT), settings.REDIS_URL)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if self.limiter is None or not request.path.startswith(LIMITED):
            return self.get_response(request)
        hit = self.limiter.hit("ip", client_ip(request))
        if hit.allowed:
            request.rate_limiter = self.limiter  # type: ignore[attr-defined]  # for count_account
            response = self.get_response(request)
            hit = min(hit, getattr(request, "account_hit", hit))  # the nearer to its end
        else:
            response = problem(429, TOO_MANY, headers={"Retry-After": str(hit.reset)})
        response["RateLimit-Limit"] = str(self.limiter.item.amount)
        response["RateLimit-Remaining"] = str(hit.remaining)
        response["RateLimit-Reset"] = str(hit.reset)
        return response
