"""The cache that sign-in limits and used one-time codes live in: shared in Redis, in process while Redis is away."""

from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django_redis.cache import RedisCache

from .redis import breaker


class RedisOrLocalCache(BaseCache):
    """Redis; while it does not answer, this process's memory.

    A cache that swallows errors would not do: to allauth a counter that cannot be written means
    "too many attempts", so nobody could sign in during an outage. This one goes on counting.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._redis = RedisCache(server, params)
        self._breaker = breaker(server)
        # The options of django_redis mean nothing to LocMemCache, but the number of entries does: at
        # Django's 300 a crowd of made-up addresses would push real counters out.
        self._local = LocMemCache(
            "while-redis-is-away", {**params, "OPTIONS": {"MAX_ENTRIES": 100_000}}
        )

    def _either(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        return self._breaker.guarded(
            lambda: getattr(self._redis, operation)(*args, **kwargs),
            lambda: getattr(self._local, operation)(*args, **kwargs),
        )

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return self._either("add", key, value, timeout=timeout, version=version)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._either("get", key, default=default, version=version)

    def get_many(self, keys: Any, version: int | None = None) -> Any:
        return self._either("get_many", list(keys), version=version)

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        self._either("set", key, value, timeout=timeout, version=version)

    def set_many(
        self, data: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        return self._either("set_many", data, timeout=timeout, version=version) or []

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._either("touch", key, timeout=timeout, version=version)

    def delete(self, key: Any, version: int | None = None) -> bool:
        return self._either("delete", key, version=version)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return self._either("incr", key, delta=delta, version=version)

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return self._either("has_key", key, version=version)

    def clear(self) -> None:
        self._either("clear")
        self._local.clear()
