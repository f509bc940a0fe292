"""Who listens to what. An app registers its consumers when it is ready; the relay brings them the events.

A consumer sees the events of one aggregate in sequence, each at least once: after a crash, again. So it
does nothing the second time it sees a `uid`. Webhooks are consumers that people add while the site runs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import orjson
from redis.exceptions import RedisError
from redis.typing import EncodableT, FieldT

from . import redis
from .models import Event

STREAM: Final = "erp.events"
#: Entries kept, approximately: Redis trims whole nodes. At 0.3 to 1 kB each they fit the memory that compose gives it;
#: a Redis that is full refuses new ones.
STREAM_LENGTH: Final = 200_000
STREAM_TIMEOUT: Final = 2.0  # seconds


class Unavailable(Exception):
    """The consumer's other side is away, and no event is to blame: everything waits, nothing is counted."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """`handle` is called outside any transaction, has about 20 s, and fails by raising.

    After `tries` failures of one event it becomes a dead letter and its aggregate goes on without it.
    The `name` is stored with each delivery: renaming a consumer orphans what is under way.
    """

    name: str
    handle: Callable[[Event], None]
    types: frozenset[str] | None = None
    """The types of event it wants; None for all."""
    tries: int = 8
    only: Callable[[Event], bool] | None = None
    """What else an event must be to concern it."""

    def wants(self, event: Event) -> bool:
        return (self.types is None or event.type in self.types) and (
            self.only is None or self.only(event)
        )


_registered: Final[dict[str, Consumer]] = {}


def register(consumer: Consumer) -> None:
    """From now on the relay brings this consumer what is published. Raises ValueError if the name is taken."""
    if consumer.name in _registered:
        raise ValueError(f"there is already a consumer named {consumer.name!r}")
    _registered[consumer.name] = consumer


def registered() -> tuple[Consumer, ...]:
    return tuple(_registered.values())


_sources: Final[list[Callable[[], Iterable[Consumer]]]] = []


def register_source(source: Callable[[], Iterable[Consumer]]) -> None:
    """From now on `source` is asked whom people have added: as often as something is published, so it is quick."""
    if source not in _sources:
        _sources.append(source)


def added() -> tuple[Consumer, ...]:
    """Those that people have added, as they are now."""
    return tuple(consumer for source in _sources for consumer in source())


def redis_stream(url: str) -> Consumer:
    """Publishes every event to the Redis Stream `erp.events`, whose consumer groups are how others scale out."""

    def publish(event: Event) -> None:
        try:
            redis.client(url, STREAM_TIMEOUT).xadd(
                STREAM, stream_entry(event), maxlen=STREAM_LENGTH, approximate=True
            )
        except RedisError as error:
            raise Unavailable(str(error)) from error

    return Consumer(name="redis-stream", handle=publish)


def stream_entry(event: Event) -> dict[FieldT, EncodableT]:
    """The event as the stream carries it: flat text fields, the payload as JSON (see docs/events.md)."""
    return {
        "position": str(event.position),
        "id": str(event.uid),
        "type": event.type,
        "aggregate": event.aggregate,
        "aggregate_id": str(event.aggregate_id),
        "sequence": str(event.sequence),
        "payload": orjson.dumps(event.payload).decode(),
        "actor": "" if event.actor_id is None else str(event.actor_id),
        "request_id": event.request_id,
        "created_at": event.created_at.isoformat().replace("+00:00", "Z"),
    }
