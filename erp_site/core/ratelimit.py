"""Requests a minute by client address and account: atomic in Redis, in process when Redis is away."""

import functools
import math
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from . import redis
from .problems import ApiError, problem

log = structlog.get_logger(__name__)

LIMITED: Final = ("/api/", "/identity/o/api/", "/_allauth/")
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
    return _counted(address)


@functools.lru_cache(maxsize=1024)
def _counted(address: str) -> str:
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


#: The counter of limits' SlidingWindowCounter, with what is left in the same round trip as the hit. A refused
#: request is not counted, or whoever goes on asking would be refused for ever.
_HIT: Final = """
local before = tonumber(redis.call('GET', KEYS[2]) or 0)
local used = math.floor(before * ARGV[2]) + tonumber(redis.call('GET', KEYS[1]) or 0)
if used >= tonumber(ARGV[1]) then return -1 end
redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return used + 1
"""


class Limiter:
    """Counts hits; says whether one more is allowed, how many are left, and when the window ends.

    Sliding window: the hits of this window, and those of the window before by the part of it that still counts.
    In Redis for all processes together; in this process alone where there is none, or while it is away.
    """

    def __init__(self, item: RateLimitItem, redis_url: str | None) -> None:
        self.item = item
        self.window = item.get_expiry()  # seconds
        self.local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self.shared = redis.breaker(redis_url) if redis_url else None

    def hit(self, *identity: str) -> Hit:
        """Count one more request of this identity."""
        if self.shared:
            window, elapsed = divmod(time.time(), self.window)
            name = f"erp:limit:{':'.join(identity)}:{self.window}"
            used = self.shared.command(
                "EVAL", _HIT, 2, f"{name}:{window:.0f}", f"{name}:{window - 1:.0f}",
                self.item.amount, 1 - elapsed / self.window, self.window * 2,
            )  # fmt: skip
            if used is not None:
                reset = math.ceil(self.window - elapsed)
                return Hit(used > 0, self.item.amount - used if used > 0 else 0, max(1, reset))
        return self._hit_alone(*identity)

    def _hit_alone(self, *identity: str) -> Hit:
        allowed = self.local.hit(self.item, *identity)
        window = self.local.get_window_stats(self.item, *identity)
        # limits reports "now" as the end on the first hit of a window.
        reset = math.ceil(max(0.0, window.reset_time - time.time())) or self.window
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
