"""The Redis Stream, and the consumer that docs/events.md offers: it is taken from the document and run."""

import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from django.conf import settings as site
from django.db import transaction

from erp_site.core import clock, consumers, events
from erp_site.core.consumers import STREAM
from erp_site.core.events import Aggregate, EventType, Fact
from erp_site.core.models import Delivery, Event
from erp_site.core.outbox import Relay
from erp_site.tests.conftest import PATIENCE, wait_for

DOCUMENT = (site.BASE_DIR / "docs/events.md").read_text()


def record(*sequences: int, aggregate_id: int = 1, actor=None) -> None:
    with transaction.atomic():
        events.record(
            [
                Fact(EventType.STOCK_LOW, Aggregate.STOCK, aggregate_id, sequence, {"sku": "CAFÉ"})
                for sequence in sequences
            ],
            actor=actor,
        )


def relay(redis_server) -> Relay:
    return Relay(threading.Event(), [consumers.redis_stream(redis_server.url)])


@pytest.mark.django_db
def test_the_stream_carries_every_field_as_text(redis_server, redis, admin):
    Event.objects.all().delete()
    record(1, actor=admin)
    record(2)
    relay(redis_server).run(once=True)
    first, second = Event.objects.order_by("position")
    (_, entry), (_, without_actor) = redis.xrange(STREAM)
    assert entry == {
        "position": "1",
        "id": str(first.uid),
        "type": "stock.low",
        "aggregate": "stock",
        "aggregate_id": "1",
        "sequence": "1",
        "payload": '{"sku":"CAFÉ"}',
        "actor": str(admin.pk),
        "request_id": "",
        "created_at": first.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    assert orjson.loads(entry["payload"]) == first.payload
    assert (without_actor["id"], without_actor["actor"]) == (str(second.uid), "")


@pytest.mark.django_db
def test_the_stream_is_by_position(redis_server, redis):
    for sequence in (1, 2, 3):
        for aggregate_id in (5, 6, 7):
            record(sequence, aggregate_id=aggregate_id)
    relay(redis_server).run(once=True)
    assert [entry["position"] for _, entry in redis.xrange(STREAM)] == list("123456789")


@pytest.mark.django_db
def test_the_stream_is_trimmed(redis_server, redis, monkeypatch):
    monkeypatch.setattr(consumers, "STREAM_LENGTH", 100)
    record(*range(1, 501))
    relay(redis_server).run(once=True)
    assert 100 <= redis.xlen(STREAM) < 300  # whole nodes of 100 entries go
    assert redis.xrevrange(STREAM, count=1)[0][1]["sequence"] == "500"


@pytest.mark.django_db(transaction=True)
def test_while_redis_is_away_events_wait_and_then_follow_in_sequence(redis_server, redis):
    stop = threading.Event()
    record(1, 2)
    redis_server.stop()
    one = Relay(stop, [consumers.redis_stream(redis_server.url)], poll=0.05)
    one.run(once=True)
    assert set(Delivery.objects.values_list("state", "attempts")) == {("open", 0)}
    record(3)
    redis_server.start()
    with clock.moved_to(clock.now()):
        time.sleep(1.1)  # the consumer's pause
        one.run(once=True)
    assert [entry["sequence"] for _, entry in redis.xrange(STREAM)] == ["1", "2", "3"]
    assert set(Delivery.objects.values_list("state", "attempts")) == {("done", 0)}


# --- the document


@contextmanager
def member(redis_server, folder: Path, **variables: str):
    """A process that runs the example of the document as it is printed there."""
    _webhook, code = re.findall(r"```python\n(.+?)```", DOCUMENT, re.DOTALL)
    script = folder / "consumer.py"
    script.write_text(code)
    with (folder / "output").open("a") as output:
        process = subprocess.Popen(
            [sys.executable, str(script)],
            stdout=output,
            env=os.environ | {"REDIS_URL": redis_server.url, "STORE": "store.sqlite3", **variables},
            cwd=folder,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def handled(folder: Path) -> list[int]:
    """The sequences that the example has handled, in its order."""
    return [int(line.split()[3]) for line in (folder / "output").read_text().splitlines()]


@pytest.mark.django_db
def test_the_example_reads_what_was_there_and_what_comes_and_goes_on_where_it_stopped(
    redis_server, redis, tmp_path
):
    one = relay(redis_server)
    record(1, 2)
    one.run(once=True)
    with member(redis_server, tmp_path) as process:
        wait_for(lambda: handled(tmp_path) == [1, 2])
        record(3)
        one.run(once=True)
        wait_for(lambda: handled(tmp_path) == [1, 2, 3])
        process.terminate()
        assert process.wait(PATIENCE) == 0
    record(4)
    one.run(once=True)
    with member(redis_server, tmp_path):
        wait_for(lambda: handled(tmp_path) == [1, 2, 3, 4])
        wait_for(lambda: redis.xpending(STREAM, "billing")["pending"] == 0)
    [group] = redis.xinfo_groups(STREAM)
    assert (group["name"], group["lag"]) == ("billing", 0)


@pytest.mark.django_db
def test_the_example_takes_over_from_a_dead_member_and_does_nothing_twice(
    redis_server, redis, tmp_path
):
    one = relay(redis_server)
    record(1, 2, 3)
    one.run(once=True)
    redis.xgroup_create(STREAM, "billing", id="0")
    redis.xreadgroup("billing", "dead", {STREAM: ">"}, count=2)
    again = redis.xrange(STREAM)[2][1]
    redis.xadd(STREAM, again)  # delivered twice
    with member(redis_server, tmp_path, ABANDONED_AFTER="0"):
        wait_for(lambda: redis.xinfo_groups(STREAM)[0]["lag"] == 0)
        wait_for(lambda: redis.xpending(STREAM, "billing")["pending"] == 0)
    assert sorted(handled(tmp_path)) == [1, 2, 3]


def test_the_catalogue_names_every_type_of_event():
    table = DOCUMENT.split("## Catalogue")[1].split("##")[0]
    documented = re.findall(r"^\| `([a-z_.]+)` \| (\w+)", table, re.MULTILINE)
    assert [name for name, _ in documented] == list(EventType)
    assert {aggregate for _, aggregate in documented} == set(Aggregate)


def test_the_document_names_every_consumer(redis_server):
    table = DOCUMENT.split("| Consumer |")[1]
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE))
    registered = {consumer.name for consumer in consumers.registered()}
    assert documented == registered | {consumers.redis_stream(redis_server.url).name}
