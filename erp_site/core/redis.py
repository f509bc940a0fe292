"""Redis as the product uses it: never needed for a right answer, never waited for by a request.

Requests go through `best_effort()`, which gives Redis 100 ms and leaves it alone for 5 s after a failure (so does the
cache of the sign-in limits, `cache.py`, which gives it 250 ms);
the relay, which has time, talks to `client()` directly and tries again later.
"""

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

log = structlog.get_logger(__name__)

HURRY: Final = 0.1  # seconds that a request spends on a Redis that does not answer
PAUSE: Final = 5.0  # seconds that Redis is left alone after a failure
QUIET: Final = 60.0  # seconds in which what Redis refuses is logged once
OLDEST: Final = 7  # the major version that has all that is asked of it: SET with both NX and GET


@functools.cache
def client(url: str, timeout: float) -> Redis:
    """A client with its own pool of connections (per process and `timeout`, in seconds); it never retries."""
    return Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        protocol=2,  # RESP3 would add round trips to each connection
    )


@dataclass(slots=True)
class Question:
    """A command that travels with another one; `answer` is None until it has one."""

    words: tuple[str | float, ...]
    answer: Any = None


class BestEffort:
    """A circuit breaker around one Redis: no error ever leaves it, and an outage costs next to nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._retry_at: float | None = None  # monotonic seconds; None while Redis is well
        self._quiet_until = 0.0  # monotonic seconds
        self._own = threading.local()

    def command(self, *words: str | float, beside: Question | None = None) -> Any:
        """The answer to one command, or None when Redis is away, too slow, being left alone, or refuses it.

        `beside` is asked in the same round trip. On a connection that this thread keeps: what the client does around
        each command (pool, retries, telemetry) costs twice as much as the command.
        """
        return self._attempt(self._exchange, (words, beside))

    def _exchange(self, asked: tuple[tuple[str | float, ...], Question | None]) -> Any:
        words, beside = asked
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = client(
                self._url, HURRY
            ).connection_pool.make_connection()
        try:
            if beside is None:
                connection.send_command(*words)
            else:
                connection.send_packed_command(connection.pack_commands([words, beside.words]))
            answer = self._read(connection)
            if beside is not None:
                beside.answer = self._read(connection)
        except BaseException:
            connection.disconnect()  # or the next command would read the answer to this one
            raise
        return answer

    def _read(self, connection: ConnectionInterface) -> Any:
        try:
            return connection.read_response()
        except ResponseError as error:
            self._refused(error)  # and what it says next answers the next question
            return None

    def attempt[T](self, call: Callable[[Redis], T]) -> T | None:
        """What `call` returns, or None as in `command`."""
        return self._attempt(call, client(self._url, HURRY))

    def guarded[T](self, call: Callable[[], T], otherwise: Callable[[], T]) -> T:
        """What `call` returns, which asks this Redis by a client of its own; what `otherwise` does where Redis cannot.

        None is an answer here, and errors that are not Redis's (a counter that is not there) are the caller's.
        """
        probing = self._retry_at is not None
        if probing and not self._may_probe():
            return otherwise()
        try:
            result = call()
        except ResponseError as error:
            self._refused(error)
            return otherwise()
        except (RedisError, OSError) as error:
            self._leave_alone(error)
            return otherwise()
        if probing:
            self._well_again()
        return result

    def _attempt[A, T](self, call: Callable[[A], T], argument: A) -> T | None:
        probing = self._retry_at is not None
        if probing and not self._may_probe():
            return None
        try:
            result = call(argument)
        except ResponseError as error:
            self._refused(error)
            result = None
        except Exception as error:  # noqa: BLE001 -- whatever Redis does, the request goes on
            self._leave_alone(error)
            return None
        if probing:
            self._well_again()
        return result

    def _refused(self, error: ResponseError) -> None:
        """It is there and quick, and does not do this: no reason to do without it in everything else."""
        with self._lock:
            now = time.monotonic()
            if now >= self._quiet_until:
                self._quiet_until = now + QUIET
                log.warning("redis_refuses", error=str(error))

    def _may_probe(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if self._retry_at is not None and now < self._retry_at:
                return False
            # Moved on first: while one request finds out, the others do not wait with it.
            self._retry_at = now + PAUSE
            return True

    def _leave_alone(self, error: Exception) -> None:
        with self._lock:
            if self._retry_at is None:
                log.warning("redis_left_alone", seconds=PAUSE, error=str(error))
            self._retry_at = time.monotonic() + PAUSE

    def _well_again(self) -> None:
        with self._lock:
            self._retry_at = None
        log.info("redis_well_again")


@functools.cache
def breaker(url: str) -> BestEffort:
    """The one of this process for this Redis: what one use finds out, the others need not."""
    return BestEffort(url)


def best_effort() -> BestEffort | None:
    """The breaker of this process, or None where no REDIS_URL is set."""
    return breaker(settings.REDIS_URL) if settings.REDIS_URL else None


def outdated(url: str) -> str | None:
    """The version of this Redis if it is older than the product needs; None if it is not, or does not say."""
    try:
        version = str(client(url, 1.0).info("server")["redis_version"])
        return version if int(version.split(".", maxsplit=1)[0]) < OLDEST else None
    except (RedisError, OSError, KeyError, ValueError):
        return None
