"""The cache of sign-in limits: in Redis, and in the process's memory where Redis cannot."""

import time
from typing import Any

import pytest
from django.core.cache import cache
from limits import parse
from redis import Redis

from erp_site.core import redis as redis_module
from erp_site.core.ratelimit import Limiter
from erp_site.testing import in_parallel
from erp_site.tests.conftest import RedisServer

PATIENCE = 0.25  # seconds that the cache gives Redis


@pytest.fixture(autouse=True)
def _in_redis(redis_server: RedisServer, settings: Any) -> None:
    options = {"SOCKET_CONNECT_TIMEOUT": PATIENCE, "SOCKET_TIMEOUT": PATIENCE}
    settings.CACHES = {
        "default": {
            "BACKEND": "erp_site.core.cache.RedisOrLocalCache",
            "LOCATION": redis_server.url,
            "OPTIONS": options,
        }
    }
    cache.clear()  # what a test before this one has left in the process's memory, too


def test_after_the_pause_one_thread_finds_out_while_the_others_go_on(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "PAUSE", 0.4)
    cache.get("a")
    redis_server.hang()
    cache.get("a")
    time.sleep(0.45)

    def waited() -> bool:
        began = time.perf_counter()
        assert cache.add("a", 1) in {True, False}
        return time.perf_counter() - began > 0.9 * PATIENCE

    assert sorted(in_parallel(*[waited] * 8)) == [False] * 7 + [True]


def test_what_the_limits_of_requests_found_out_the_cache_need_not(
    redis_server: RedisServer,
) -> None:
    cache.set("a", 1)
    limiter = Limiter(parse("3/hour"), redis_server.url)
    limiter.hit("ip:a")
    redis_server.hang()
    limiter.hit("ip:a")
    began = time.perf_counter()
    assert cache.get("a") is None
    assert time.perf_counter() - began < 0.9 * PATIENCE


def test_it_is_used_again_when_it_is_back(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "PAUSE", 0.2)
    cache.set("a", "in Redis")
    redis_server.hang()
    assert cache.get("a") is None
    redis_server.go_on()
    time.sleep(0.25)
    assert [cache.get("a"), cache.get("b")] == ["in Redis", None]


def test_what_redis_refuses_is_done_in_memory_and_the_rest_in_redis(redis: Redis) -> None:
    cache.set("a", "in Redis")
    redis.execute_command("ACL", "SETUSER", "default", "-set")
    assert [cache.add("used", 1) for _ in range(3)] == [True, False, False]
    assert (cache.get("a"), redis.dbsize()) == ("in Redis", 1)


def test_a_counter_that_is_not_there_is_no_outage(redis: Redis) -> None:
    with pytest.raises(ValueError, match="not found"):
        cache.incr("none")
    cache.set("a", 1)
    assert redis.dbsize() == 1
