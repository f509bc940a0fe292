"""Requests a minute by client address and account: atomic in Redis, in process when Redis is away."""

import functools
import math
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from . import idempotency, redis
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
        ip = ip_address(_without_port(address))
    except ValueError:
        return "unknown"
    if isinstance(ip, IPv6Address):
        # A server that listens on :: sees IPv4 like this; the /64 of all of them is the same.
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ip_network(f"{ip}/64", strict=False).network_address)
    return str(ip)


def _without_port(address: str) -> str:
    """Some proxies write one behind an IPv4 address, or behind an IPv6 one in brackets."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    host, colon, port = address.partition(":")
    return host if colon and port.isdecimal() else address


class Hit(NamedTuple):
    """What counting one more request came to."""

    allowed: bool
    remaining: int
    reset: int  # seconds until the window ends


#: The counter of limits' SlidingWindowCounter for several identities in turn, with what is left of each, in one round
#: trip. A refused request is not counted, or whoever goes on asking would be refused for ever.
_HIT: Final = """
local counts = {}
for i = 1, #KEYS, 2 do
  local before = tonumber(redis.call('GET', KEYS[i + 1]) or 0)
  local used = math.floor(before * ARGV[2]) + tonumber(redis.call('GET', KEYS[i]) or 0)
  if used >= tonumber(ARGV[1]) then return {-1} end
  redis.call('INCR', KEYS[i])
  redis.call('EXPIRE', KEYS[i], ARGV[3])
  counts[#counts + 1] = used + 1
end
return counts
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

    def hit(self, *identities: str, beside: redis.Question | None = None) -> Hit:
        """Count one more request of each of these; answers the one that is nearest to its end.

        The first that has none left refuses the request: those after it are not counted. `beside` is asked on the way.
        """
        window, elapsed = divmod(time.time(), self.window)
        reset = max(1, math.ceil(self.window - elapsed))
        if self.shared:
            keys = [
                f"erp:limit:{identity}:{self.window}:{each:.0f}"
                for identity in identities
                for each in (window, window - 1)
            ]
            counts = self.shared.command(
                "EVAL", _HIT, len(keys), *keys,
                self.item.amount, 1 - elapsed / self.window, self.window * 2, beside=beside,
            )  # fmt: skip
            if counts is not None:
                used = counts[0] if counts[0] < 0 else max(counts)
                return Hit(used > 0, self.item.amount - used if used > 0 else 0, reset)
        return self._hit_alone(*identities, reset=reset)

    def _hit_alone(self, *identities: str, reset: int) -> Hit:
        # limits' windows begin by the clock as ours do, but its own reset is when the next hit of before is forgotten.
        hits = []
        for identity in identities:
            allowed = self.local.hit(self.item, identity)
            window = self.local.get_window_stats(self.item, identity)
            hits.append(Hit(allowed, max(0, window.remaining), reset))
            if not allowed:
                break
        return min(hits)


def count_account(request: HttpRequest, account: int) -> None:
    """Count this request for the signed-in account too, from whichever addresses it comes; once.

    Raises:
        ApiError: 429 `rate_limited` with Retry-After.
    """
    limiter: Limiter | None = getattr(request, "rate_limiter", None)
    if limiter is None or request.counted_account == account:  # type: ignore[attr-defined]  # by the middleware
        return
    hit = limiter.hit(f"account:{account}")
    request.account_hit = hit  # type: ignore[attr-defined]  # for the middleware's headers
    if not hit.allowed:
        raise ApiError(429, TOO_MANY, headers={"Retry-After": str(hit.reset)})


class RateLimitMiddleware:
    """RateLimit-* headers on the API, 429 with Retry-After beyond. Before sessions, so a refusal is cheap.

    An account that the request itself proves (RATE_LIMIT_ACCOUNT) is counted with the address, in one round trip to
    Redis; others are counted when they are known, by `count_account`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.limiter = None
        self.account_of: Callable[[HttpRequest], int | None] = import_string(
            settings.RATE_LIMIT_ACCOUNT
        )
        if settings.RATE_LIMIT == "off":
            log.warning(
                "rate_limit_off", detail="RATE_LIMIT=off: neither requests nor sign-ins are limited"
            )
        else:
            self.limiter = Limiter(parse(settings.RATE_LIMIT), settings.REDIS_URL)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if self.limiter is None or not request.path.startswith(LIMITED):
            return self.get_response(request)
        identities = [f"ip:{client_ip(request)}"]
        account = self.account_of(request)
        key = None
        if account is not None:
            identities.append(f"account:{account}")
            key = idempotency.ask_ahead(request, account)
        hit = self.limiter.hit(*identities, beside=key)
        if hit.allowed:
            request.rate_limiter = self.limiter  # type: ignore[attr-defined]  # for count_account
            request.counted_account = account  # type: ignore[attr-defined]
            response = self.get_response(request)
            hit = min(hit, getattr(request, "account_hit", hit))  # the nearer to its end
        else:
            response = problem(429, TOO_MANY, headers={"Retry-After": str(hit.reset)})
        response["RateLimit-Limit"] = str(self.limiter.item.amount)
        response["RateLimit-Remaining"] = str(hit.remaining)
        response["RateLimit-Reset"] = str(hit.reset)
        return response
