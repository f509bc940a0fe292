"""The relay: nothing is lost, nothing overtakes, a poison event holds nobody up, and who dies is replaced."""

import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import uuid_utils.compat
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import QuerySet
from redis.client import PubSub

from catalog.models import LowStockNotice
from catalog.services import adjust_stock
from erp_site.core import clock, consumers, events, outbox
from erp_site.core.consumers import Consumer, Unavailable
from erp_site.core.events import Aggregate, EventType, Fact
from erp_site.core.models import Delivery, Event, Feed
from erp_site.core.outbox import Relay
from erp_site.testing import in_parallel

from .conftest import PATIENCE, database_url, running, wait_for

committed = pytest.mark.django_db(transaction=True)
#: MySQL and MariaDB run transactions side by side; SQLite has one writer at a time, which is a lock in itself.
SIDE_BY_SIDE = connection.vendor == "mysql"
#: Aggregates of the one test whose transactions must not wait for each other. Where another test has just deleted an
#: event of the same aggregate and sequence, InnoDB locks the gap behind it too, even at READ COMMITTED.
LATE, EARLY = 8001, 8002


class Recorder:
    """A consumer that remembers what it got, and fails on demand."""

    def __init__(self, name: str = "recorder", **options) -> None:
        self.got: list[tuple[int, int]] = []
        self.error_for: dict[tuple[int, int], Exception] = {}
        self.seconds = 0.0
        self.consumer = Consumer(name=name, handle=self.handle, **options)

    def handle(self, event: Event) -> None:
        assert not connection.in_atomic_block, "a consumer is called outside any transaction"
        what = (event.aggregate_id, event.sequence)
        if what in self.error_for:
            raise self.error_for[what]
        time.sleep(self.seconds)
        self.got.append(what)

    def sequences(self) -> dict[int, list[int]]:
        result: dict[int, list[int]] = {}
        for aggregate_id, sequence in self.got:
            result.setdefault(aggregate_id, []).append(sequence)
        return result


def record(*facts: tuple[int, int], kind: EventType = EventType.STOCK_ADJUSTED) -> None:
    """Events of (aggregate id, sequence), in a transaction of their own."""
    with transaction.atomic():
        events.record(
            [Fact(kind, Aggregate.STOCK, aggregate, sequence) for aggregate, sequence in facts],
            actor=None,
        )


def relay(*recorders: Recorder, stop: threading.Event | None = None, poll: float = 0.05) -> Relay:
    consumers_ = [recorder.consumer for recorder in recorders]
    return Relay(stop or threading.Event(), consumers_, poll=poll)


def claim(recorder: Recorder, size: int = outbox.BATCH) -> outbox.Claim:
    """What a relay claims for this consumer; there must be something."""
    claimed = outbox.claim(recorder.consumer, size)
    assert claimed is not None
    return claimed


def make_due() -> None:
    """The back-off is over."""
    Delivery.objects.filter(state="open").update(due_at=clock.now())


def states() -> dict[str, int]:
    return dict(Counter(Delivery.objects.values_list("state", flat=True)))


# --- positions


def both_read_before_either_writes(job: Callable[[], object]) -> list[object]:
    """The results of two relays that do this at once, in the worst order there is."""
    both_have_read = threading.Barrier(2)

    def hold_the_write(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            with suppress(threading.BrokenBarrierError):
                both_have_read.wait(timeout=0.5)
        return execute(sql, params, many, context)

    def one() -> object:
        with connection.execute_wrapper(hold_the_write):
            return job()

    return in_parallel(one, one)


@pytest.mark.django_db
def test_positions_follow_ids_without_gaps_whatever_ids_do():
    record((1, 1), (2, 1))
    assert outbox.publish([]) == 2
    record((1, 2))
    with transaction.atomic():
        record((3, 1))
        transaction.set_rollback(True)
    record((2, 2))
    assert outbox.publish([]) == 2
    assert outbox.publish([]) == 0
    published = Event.objects.order_by("position").values_list(
        "position", "aggregate_id", "sequence"
    )
    assert list(published) == [(1, 1, 1), (2, 2, 1), (3, 1, 2), (4, 2, 2)]
    assert Feed.objects.get().last_position == 4


@pytest.mark.django_db
def test_publishing_goes_on_after_the_last_position_when_the_feed_row_is_lost():
    record((1, 1), (1, 2))
    outbox.publish([])
    Feed.objects.all().delete()
    record((1, 3))
    assert outbox.publish([]) == 1
    assert Event.objects.get(sequence=3).position == 3


@pytest.mark.django_db
def test_each_consumer_gets_a_delivery_of_each_event_it_wants():
    all_, low = Recorder("all"), Recorder("low", types=frozenset({EventType.STOCK_LOW}))
    record((1, 1))
    record((1, 2), kind=EventType.STOCK_LOW)
    outbox.publish([all_.consumer, low.consumer])
    fanned_out = Delivery.objects.order_by("consumer", "position")
    assert list(fanned_out.values_list("consumer", "position", "aggregate", "aggregate_id")) == [
        ("all", 1, "stock", 1),
        ("all", 2, "stock", 1),
        ("low", 2, "stock", 1),
    ]


def follow(column: str, done: threading.Event, seen: list[int] | None = None) -> list[int]:
    """A reader that asks, again and again, for what comes after the last `column` it has seen."""
    seen = [] if seen is None else seen
    last = 0
    finishing = False
    while True:
        rows = Event.objects.filter(**{f"{column}__gt": last}).order_by(column)
        for value, aggregate_id in rows.values_list(column, "aggregate_id"):
            seen.append(aggregate_id)
            last = value
        if finishing:
            return seen
        finishing = done.is_set()
        time.sleep(0.01)


@committed
def test_an_event_that_commits_late_with_a_low_id_is_not_lost():
    """The control reads by id and does lose it, where transactions run side by side."""
    slow_has_its_id, all_done = threading.Event(), threading.Event()
    seen_by_id: list[int] = []

    def slow() -> None:
        with transaction.atomic():
            record((LATE, 1))
            slow_has_its_id.set()
            if SIDE_BY_SIDE:
                wait_for(lambda: seen_by_id == [EARLY])
            else:
                time.sleep(0.3)

    def fast() -> None:
        slow_has_its_id.wait(PATIENCE)
        record((EARLY, 1))

    def publishing() -> None:
        while not all_done.is_set():
            outbox.publish([])
            time.sleep(0.01)

    def finish() -> None:
        try:
            wait_for(lambda: Event.objects.filter(position__isnull=False).count() == 2)
        finally:
            all_done.set()

    by_position, by_id, *errors = in_parallel(
        lambda: follow("position", all_done),
        lambda: follow("id", all_done, seen_by_id),
        slow,
        fast,
        publishing,
        finish,
    )
    assert errors == [None] * 4
    assert sorted(by_position) == [LATE, EARLY]
    assert by_id == ([EARLY] if SIDE_BY_SIDE else [LATE, EARLY])


@committed
def test_relays_that_publish_at_once_leave_no_gap_and_a_reader_of_the_feed_sees_all():
    writers, each = 3, 40
    done = threading.Event()

    def write(writer: int) -> None:
        for sequence in range(1, each + 1):
            record((writer, sequence))

    def publish() -> int:
        count = 0
        while not done.is_set():
            count += outbox.publish([])
        return count

    def finish() -> None:
        try:
            wait_for(lambda: Event.objects.filter(position__isnull=False).count() == writers * each)
        finally:
            done.set()

    seen, *rest = in_parallel(
        lambda: follow("position", done),
        finish,
        *[lambda writer=writer: write(writer) for writer in range(writers)],
        *[publish] * 3,
    )
    assert rest[: writers + 1] == [None] * (writers + 1)
    assert sum(rest[writers + 1 :]) == writers * each
    assert Counter(seen) == dict.fromkeys(range(writers), each)
    positions = Event.objects.order_by("position").values_list("position", flat=True)
    assert list(positions) == list(range(1, writers * each + 1))


def publish_at_once(recorder: Recorder) -> list[str]:
    """What comes of two relays that publish the same three events, later in the feed's life."""
    record((9, 1))
    outbox.publish([recorder.consumer])
    record((1, 1), (1, 2), (2, 1))
    results = both_read_before_either_writes(lambda: outbox.publish([recorder.consumer]))
    return sorted(
        type(result).__name__ if isinstance(result, Exception) else str(result)
        for result in results
    )


@committed
def test_two_relays_never_publish_the_same_event():
    assert publish_at_once(Recorder()) == ["0", "3"]


@committed
def test_without_the_lock_on_the_feed_they_would_and_one_is_stopped_by_the_database(monkeypatch):
    """The control of the test above. SQLite's only writer is a lock that cannot be taken away."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda queryset, **_: queryset)
    outcome = ["3", "IntegrityError"] if SIDE_BY_SIDE else ["0", "3"]
    assert publish_at_once(Recorder()) == outcome


# --- claiming


def claim_at_once(recorder: Recorder) -> list[int]:
    """How many deliveries each of two relays claims."""
    claims = both_read_before_either_writes(lambda: outbox.claim(recorder.consumer, outbox.BATCH))
    return sorted(len(claim.parcels) if isinstance(claim, outbox.Claim) else 0 for claim in claims)


@committed
def test_two_relays_never_claim_the_same_run_of_an_aggregate():
    recorder = Recorder()
    record((1, 1), (1, 2), (1, 3))
    outbox.publish([recorder.consumer])
    assert claim_at_once(recorder) == [0, 3]


@committed
def test_without_the_lock_on_its_head_they_would(monkeypatch):
    """The control of the test above. SQLite's only writer is a lock that cannot be taken away."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda queryset, **_: queryset)
    recorder = Recorder()
    record((1, 1), (1, 2), (1, 3))
    outbox.publish([recorder.consumer])
    assert claim_at_once(recorder) == ([3, 3] if SIDE_BY_SIDE else [0, 3])


@committed
def test_relays_side_by_side_deliver_each_event_once_and_each_aggregate_in_sequence():
    recorder = Recorder()
    aggregates, each = 20, 15

    def write(half: int) -> None:
        for sequence in range(1, each + 1):
            record(*[(aggregate, sequence) for aggregate in range(half, aggregates, 2)])

    with running(*[relay(recorder) for _ in range(3)]):
        assert in_parallel(lambda: write(0), lambda: write(1)) == [None, None]
        wait_for(lambda: states() == {"done": aggregates * each})
    assert recorder.sequences() == {
        aggregate: list(range(1, each + 1)) for aggregate in range(aggregates)
    }


@committed
def test_a_second_relay_takes_other_aggregates_meanwhile():
    recorder = Recorder()
    record((1, 1), (2, 1))
    outbox.publish([recorder.consumer])
    first = claim(recorder)
    assert [parcel.source for parcel in first.parcels] == [("stock", 1), ("stock", 2)]
    record((1, 2), (3, 1), (2, 2))
    outbox.publish([recorder.consumer])
    second = claim(recorder)
    assert [parcel.source for parcel in second.parcels] == [("stock", 3)]
    assert outbox.claim(recorder.consumer, outbox.BATCH) is None


@committed
def test_a_claim_is_of_the_size_asked_for_and_looks_past_what_is_closed(monkeypatch):
    monkeypatch.setattr(outbox.claiming, "PAGE", 10)
    recorder = Recorder()
    record(*[(1, sequence) for sequence in range(1, 31)])
    outbox.publish([recorder.consumer])
    first = claim(recorder, size=25)
    assert [parcel.position for parcel in first.parcels] == list(range(1, 26))
    record((2, 1))
    outbox.publish([recorder.consumer])
    assert [parcel.position for parcel in claim(recorder).parcels] == [31]


# --- failing


@committed
def test_a_poison_event_is_tried_backs_off_becomes_a_dead_letter_and_releases_the_next(monkeypatch):
    # By chance it may be due again at once.
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)
    recorder = Recorder(tries=3)
    recorder.error_for = {(1, 1): ValueError("cannot be read")}
    record((1, 1), (1, 2), (2, 1))
    one = relay(recorder)
    before = clock.now()

    one.run(once=True)
    poison = Delivery.objects.get(position=1)
    assert (poison.state, poison.attempts) == ("open", 1)
    assert poison.last_error == "ValueError: cannot be read"
    assert before <= poison.due_at <= clock.now() + timedelta(seconds=outbox.FIRST_BACK_OFF)
    assert recorder.got == [(2, 1)]

    for attempts in (2, 3):
        make_due()
        one.run(once=True)
        poison.refresh_from_db()
        assert poison.attempts == attempts
    assert poison.state == "dead"
    assert poison.finished_at is not None
    assert recorder.got == [(2, 1), (1, 2)]
    assert states() == {"dead": 1, "done": 2}
    assert outbox.counts(Delivery.State.DEAD) == {"recorder": 1}


def dead_letters(*options: str) -> list[str]:
    out = io.StringIO()
    call_command("dead_letters", *options, stdout=out)
    return out.getvalue().splitlines()


@committed
def test_dead_letters_are_listed_and_delivered_once_more():
    one, other = Recorder("one", tries=1), Recorder("other", tries=1)
    one.error_for = {(1, 1): ValueError("no such 'customer'"), (2, 1): ValueError("busy")}
    other.error_for = {(1, 1): ValueError("busy")}
    record((1, 1), (1, 2), (2, 1))
    both = relay(one, other)
    both.run(once=True)
    first, second, of_other = Delivery.objects.filter(state="dead").order_by("consumer", "position")

    *listed, total = dead_letters()
    assert total == "3 dead letters."
    assert [line.split()[:3] for line in listed] == [
        [str(each.pk), each.consumer, "stock.adjusted"] for each in (first, second, of_other)
    ]
    assert "stock 1, position 1  1 tries until" in listed[0]
    assert listed[0].endswith("ValueError: no such 'customer'")
    assert dead_letters("--consumer", "other")[-1] == "1 dead letters."

    one.error_for = other.error_for = {}
    assert dead_letters("--retry", str(second.pk)) == ["1 to be delivered once more."]
    both.run(once=True)
    assert (one.got, sorted(other.got)) == ([(1, 2), (2, 1)], [(1, 2), (2, 1)])
    assert dead_letters("--consumer", "one", "--retry") == ["1 to be delivered once more."]
    both.run(once=True)
    assert one.got == [(1, 2), (2, 1), (1, 1)]
    assert states() == {"dead": 1, "done": 5}
    assert dead_letters("--retry") == ["1 to be delivered once more."]
    both.run(once=True)
    assert states() == {"done": 6}
    assert dead_letters() == ["No dead letters."]


@committed
def test_a_dead_letter_that_is_none_is_named_and_nothing_is_done():
    recorder = Recorder(tries=1)
    recorder.error_for = {(1, 1): ValueError("busy")}
    record((1, 1), (2, 1))
    relay(recorder).run(once=True)
    dead = Delivery.objects.get(state="dead")
    delivered = Delivery.objects.get(state="done")

    with pytest.raises(CommandError, match=f"Not among the dead letters: {delivered.pk}. Nothing"):
        dead_letters("--retry", str(dead.pk), str(delivered.pk))
    with pytest.raises(CommandError, match=r"No consumer is named 'recoder'; there are .*recorder"):
        dead_letters("--consumer", "recoder", "--retry")
    assert states() == {"dead": 1, "done": 1}


@committed
def test_a_revived_dead_letter_has_all_its_tries_again():
    recorder = Recorder(tries=2)
    recorder.error_for = {(1, 1): ValueError("busy")}
    record((1, 1))
    one = relay(recorder)
    for state in ("open", "dead"):
        one.run(once=True)
        make_due()
        assert states() == {state: 1}
    dead_letters("--retry")
    one.run(once=True)
    assert Delivery.objects.get().attempts == 1
    assert states() == {"open": 1}


def test_back_off_doubles_to_ten_minutes_with_full_jitter():
    for attempts, longest in [(1, 1), (2, 2), (5, 16), (10, 512), (11, 600), (30_000, 600)]:
        waits = [outbox.back_off(attempts) for _ in range(300)]
        assert 0 <= min(waits) < longest * 0.1
        assert longest * 0.9 < max(waits) <= longest


@committed
def test_a_consumer_whose_other_side_is_away_waits_and_nothing_is_counted():
    recorder, other = Recorder("away", tries=1), Recorder("other")
    recorder.error_for = {(1, 1): Unavailable("no route")}
    record((1, 1), (2, 1))
    one = relay(recorder, other)
    one.run(once=True)
    assert recorder.got == []
    assert other.got == [(1, 1), (2, 1)]
    waiting = Delivery.objects.filter(consumer="away")
    assert set(waiting.values_list("state", "attempts", "leased_until")) == {("open", 0, None)}

    recorder.error_for = {}
    with running(one if not one.stop.is_set() else relay(recorder, other)):
        wait_for(lambda: recorder.got == [(1, 1), (2, 1)])


@committed
def test_a_turn_ends_and_what_is_left_is_released(monkeypatch):
    monkeypatch.setattr(outbox.relay, "TURN", 0.05)
    recorder = Recorder()
    recorder.seconds = 0.1
    record((1, 1), (2, 1), (3, 1))
    outbox.publish([recorder.consumer])
    relay(recorder).deliver(recorder.consumer)
    assert recorder.got == [(1, 1)]
    left = Delivery.objects.filter(state="open").values_list("leased_until", "attempts")
    assert list(left) == [(None, 0)] * 2


@committed
def test_a_slow_consumer_is_given_less_at_once_so_that_other_relays_find_work():
    recorder = Recorder()
    recorder.seconds = 0.05
    record(*[(aggregate, 1) for aggregate in range(outbox.FIRST_CLAIM + 30)])
    outbox.publish([recorder.consumer])
    one = relay(recorder)
    one.deliver(recorder.consumer)
    assert len(recorder.got) == outbox.FIRST_CLAIM
    one.deliver(recorder.consumer)
    assert 1 <= len(recorder.got) - outbox.FIRST_CLAIM <= outbox.STRIDE / recorder.seconds


@committed
def test_what_a_dead_relay_had_claimed_is_delivered_when_its_lease_is_over():
    recorder = Recorder()
    record((1, 1), (1, 2))
    outbox.publish([recorder.consumer])
    lost = claim(recorder)
    relay(recorder).run(once=True)
    assert recorder.got == []

    with clock.moved_to(lost.lease + timedelta(seconds=1)):
        relay(recorder).run(once=True)
    assert recorder.got == [(1, 1), (1, 2)]
    assert states() == {"done": 2}


@committed
def test_a_relay_that_comes_back_after_its_lease_changes_nothing():
    recorder = Recorder()
    record((1, 1))
    outbox.publish([recorder.consumer])
    late = claim(recorder)
    with clock.moved_to(late.lease + timedelta(seconds=1)):
        current = claim(recorder)
        outbox.settle(late, recorder.consumer, outbox.Outcome(done=late.parcels))
        outbox.settle(
            late, recorder.consumer, outbox.Outcome(failed=[(late.parcels[0], ValueError())])
        )
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.leased_until) == ("open", 0, current.lease)


# --- running


@committed
def test_an_idle_round_is_one_query_and_one_for_each_consumer(django_assert_num_queries):
    one = relay(Recorder("a"), Recorder("b"))
    one.run(once=True)
    with django_assert_num_queries(3):
        assert one.round() is False


@committed
def test_a_commit_wakes_the_relay_of_its_process_at_once():
    recorder = Recorder()
    with running(relay(recorder, poll=10 * PATIENCE)):
        time.sleep(0.3)
        record((1, 1))
        wait_for(lambda: recorder.got == [(1, 1)])


@committed
def test_a_commit_wakes_the_relays_of_other_processes_over_redis(redis_server, redis):
    recorder = Recorder()
    with running(relay(recorder, poll=10 * PATIENCE)):
        wait_for(lambda: redis.pubsub_numsub(outbox.WAKE_CHANNEL) == [(outbox.WAKE_CHANNEL, 1)])
        time.sleep(0.2)
        code = (
            "import django; django.setup()\n"
            "from erp_site.tests.test_outbox import record\n"
            "record((1, 1))"
        )
        environment = os.environ | {
            "DATABASE_URL": database_url(),
            "REDIS_URL": redis_server.url,
            "DJANGO_SETTINGS_MODULE": "erp_site.settings",
        }
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=PATIENCE)
        wait_for(lambda: recorder.got == [(1, 1)])


@committed
def test_a_relay_listens_again_after_whatever_its_connection_to_redis_met(
    redis_server, redis, monkeypatch
):
    """redis-py lets a TypeError out where a connection is lost during a poll: the listening ended for good."""
    get_message = PubSub.get_message

    def lost(*_args, **_kwargs):
        monkeypatch.setattr(PubSub, "get_message", get_message)
        raise TypeError("argument must be an int, or have a fileno() method.")

    monkeypatch.setattr("erp_site.core.redis.PAUSE", 0.5)
    with running(relay(Recorder())):
        wait_for(lambda: redis.pubsub_numsub(outbox.WAKE_CHANNEL) == [(outbox.WAKE_CHANNEL, 1)])
        monkeypatch.setattr(PubSub, "get_message", lost)
        wait_for(lambda: redis.pubsub_numsub(outbox.WAKE_CHANNEL) == [(outbox.WAKE_CHANNEL, 0)])
        wait_for(lambda: redis.pubsub_numsub(outbox.WAKE_CHANNEL) == [(outbox.WAKE_CHANNEL, 1)])


@committed
def test_a_wake_that_finds_no_redis_is_no_error(redis_server):
    redis_server.stop()
    record((1, 1))
    assert Event.objects.count() == 1


@committed
def test_the_relay_waits_for_a_database_that_is_away_and_goes_on_when_it_is_back(monkeypatch):
    recorder = Recorder()
    record((1, 1))
    where = "PORT" if SIDE_BY_SIDE else "NAME"
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, where, "1" if SIDE_BY_SIDE else "/nowhere/erp")
        one = relay(recorder)
        with running(one):
            wait_for(lambda: one._outage is not None)
            assert recorder.got == []
            away.undo()
            wait_for(lambda: recorder.got == [(1, 1)])
            wait_for(lambda: one._outage is None)


@committed
def test_the_relay_waits_for_migrations(monkeypatch):
    monkeypatch.setattr(outbox.relay, "missing_migrations", lambda: ["core.0002_more"])
    recorder = Recorder()
    record((1, 1))
    one = relay(recorder)
    with running(one):
        wait_for(lambda: one._outage is not None)
        assert Event.objects.get().position is None
        monkeypatch.undo()
        wait_for(lambda: recorder.got == [(1, 1)])


@committed
def test_deliveries_done_a_week_ago_are_pruned_and_nothing_else(monkeypatch):
    monkeypatch.setattr(outbox.finished, "PRUNE_BATCH", 2)
    first, second = Recorder("first", tries=1), Recorder("second")
    first.error_for = {(9, 1): ValueError()}
    now = clock.now()
    with clock.moved_to(now - timedelta(days=7, minutes=1)):
        record((1, 1), (2, 1), (3, 1), (9, 1))
        relay(first, second).run(once=True)
    with clock.moved_to(now - timedelta(days=6, hours=23)):
        record((1, 2))
        relay(first, second).run(once=True)
    record((1, 3))
    outbox.publish([first.consumer, second.consumer])
    assert outbox.prune() == 7
    left = Delivery.objects.order_by("consumer", "position").values_list(
        "consumer", "state", "position"
    )
    assert list(left) == [
        ("first", "dead", 4),
        ("first", "done", 5),
        ("first", "open", 6),
        ("second", "done", 5),
        ("second", "open", 6),
    ]
    assert Event.objects.count() == 6


@pytest.mark.django_db
def test_the_lag_is_the_age_of_the_oldest_event_that_is_not_everywhere(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(consumers, "_registered", {"recorder": recorder.consumer})
    assert outbox.lag() == 0.0
    for number, second in enumerate((1_700_000_000, 1_700_000_090), 1):
        uid = UUID(f"{second * 1000:012x}7000{(1 << 63) + number:016x}")
        monkeypatch.setattr(uuid_utils.compat, "uuid7", lambda uid=uid: uid)
        record((1, number))
    with clock.moved_to(datetime.fromtimestamp(1_700_000_090, UTC)):
        assert outbox.lag() == 90.0
        outbox.publish([recorder.consumer])
        assert outbox.lag() == 90.0
        Delivery.objects.filter(position=1).update(state="done")
        assert outbox.lag() == 0.0
        assert outbox.counts(Delivery.State.OPEN) == {"recorder": 1}


# --- the command


@contextmanager
def relay_process(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "manage.py", "relay_events", *arguments],
        env=os.environ | {"DATABASE_URL": database_url(), "REDIS_URL": "", **variables},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@committed
def test_relay_events_once_delivers_what_there_is_and_exits(make_product, manager):
    product = make_product(on_hand=10, low_stock_threshold=5)
    adjust_stock(actor=manager, product_id=product.pk, delta=-6, reason="lost")
    with relay_process("--once") as process:
        assert process.wait(PATIENCE) == 0
    assert not Event.objects.filter(position=None).exists()
    notice = LowStockNotice.objects.get()
    assert (notice.product_id, notice.available, notice.threshold) == (product.pk, 4, 5)
    assert notice.event_uid == Event.objects.get(type="stock.low").uid


@committed
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_relay_process_ends_well_when_it_is_told_to(number):
    with relay_process() as process:
        record((1, 1))
        wait_for(lambda: Event.objects.filter(position=1).exists())
        process.send_signal(number)
        assert process.wait(5) == 0
        _, log = process.communicate()
        assert "relay_stopped" in log


@committed
def test_a_killed_relay_process_loses_nothing(redis_server, redis):
    """kill -9 in mid-delivery: everything reaches the stream, in sequence, with repetitions at most."""
    each = 400
    with relay_process(REDIS_URL=redis_server.url) as process:
        for sequence in range(1, each + 1):
            record((1, sequence), (2, sequence))
        wait_for(lambda: redis.xlen("erp.events") > 50)
        process.kill()
    outbox_consumer = consumers.redis_stream(redis_server.url)
    with clock.moved_to(clock.now() + outbox.LEASE + timedelta(seconds=1)):
        Relay(threading.Event(), [outbox_consumer]).run(once=True)
    assert states() == {"done": 2 * each}
    last = {"1": 0, "2": 0}
    for _, entry in redis.xrange("erp.events"):
        sequence = int(entry["sequence"])
        assert sequence <= last[entry["aggregate_id"]] + 1, "an event was overtaken"
        last[entry["aggregate_id"]] = max(sequence, last[entry["aggregate_id"]])
    assert last == {"1": each, "2": each}


@committed
def test_the_thread_of_a_serving_process_relays_and_ends_with_it():
    """In a process of its own, as a server has it: it exits by itself although the thread never returns."""
    code = (
        "import django, time; django.setup()\n"
        "from erp_site.core import outbox\n"
        "from erp_site.core.models import Event\n"
        "thread = outbox.start_thread()\n"
        "while Event.objects.filter(position=None).exists(): time.sleep(0.01)\n"
        "assert thread.daemon and thread.is_alive()\n"
    )
    record((1, 1))
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "REDIS_URL": "",
        "DJANGO_SETTINGS_MODULE": "erp_site.settings",
    }
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=PATIENCE)
    assert Event.objects.get().position == 1


@pytest.mark.django_db
def test_a_low_stock_event_delivered_twice_makes_one_notice(make_product, manager):
    product = make_product(on_hand=10, low_stock_threshold=5)
    adjust_stock(actor=manager, product_id=product.pk, delta=-6, reason="lost")
    [consumer] = [each for each in consumers.registered() if each.name == "low-stock-notice"]
    event = Event.objects.get(type="stock.low")
    assert consumer.wants(event)
    consumer.handle(event)
    consumer.handle(event)
    assert LowStockNotice.objects.count() == 1


def test_a_consumers_name_is_taken_once(monkeypatch):
    monkeypatch.setattr(consumers, "_registered", {})
    consumers.register(Recorder().consumer)
    with pytest.raises(ValueError, match="'recorder'"):
        consumers.register(Recorder().consumer)
