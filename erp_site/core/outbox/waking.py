"""Waking: how relays, of this process and of others, hear that there is something new."""

import threading
import time
from typing import Final

import structlog
from redis.exceptions import RedisError

from erp_site.core import redis

log = structlog.get_logger(__name__)

POLL: Final = 0.5  # seconds between two looks when nobody wakes the relay
WAKE_CHANNEL: Final = "erp:wake"
RING_PAUSE: Final = 0.02  # seconds between two wake-ups sent to other processes

_rang_at = 0.0  # monotonic seconds
#: One for each relay of this process.
bells: Final[set[threading.Event]] = set()


def wake() -> None:
    """Tell the relays, after a commit, that there is something new. Never fails, and is only a hint: they look
    by themselves every POLL seconds. With a relay in this process nothing leaves it, and others are told at most
    once in RING_PAUSE: a relay that is awake looks again before it sleeps."""
    global _rang_at  # noqa: PLW0603 -- one bell rope for the process
    ring()
    if bells or time.monotonic() - _rang_at < RING_PAUSE:
        return
    if accelerator := redis.best_effort():
        _rang_at = time.monotonic()
        accelerator.command("PUBLISH", WAKE_CHANNEL, "")


def ring() -> None:
    """Wake the relays of this process."""
    for bell in tuple(bells):
        bell.set()


def listen(url: str, bell: threading.Event, stop: threading.Event) -> None:
    """Ring the bell when another process calls `wake`, whatever Redis and its client do meanwhile."""
    while not stop.is_set():
        try:
            with redis.client(url, POLL * 4).pubsub(ignore_subscribe_messages=True) as channel:
                channel.subscribe(WAKE_CHANNEL)
                while not stop.is_set():
                    if channel.get_message(timeout=POLL):
                        bell.set()
        except RedisError:
            stop.wait(redis.PAUSE)
        except Exception as error:  # noqa: BLE001 -- redis-py lets a TypeError out where a connection is lost in a poll
            log.warning("relay_wake_failed", error=f"{type(error).__name__}: {error}")
            stop.wait(redis.PAUSE)
