"""What our database backends do otherwise than Django's: the queue of SQLite's writers, MySQL's round trips."""

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import (
    DatabaseError,
    IntegrityError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import F
from django.db.transaction import TransactionManagementError

from catalog.models import Product, StockLevel
from erp_site.core.models import Feed
from erp_site.core.sqlite.base import Turnstile
from erp_site.core.statements import Assign, Insert, Query
from erp_site.testing import level_of
from orders.models import Order
from orders.states import OrderStatus

on_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="the queue is SQLite's")
on_mysql = pytest.mark.skipif("connection.vendor != 'mysql'", reason="the round trips are MySQL's")


_add_feeds = Insert(Feed, "last_position")


def add_feed(position: int) -> None:
    _add_feeds.later([[position]])


def feeds() -> list[int]:
    return list(Feed.objects.order_by("last_position").values_list("last_position", flat=True))


@contextmanager
def undone() -> Iterator[None]:
    """A transaction, or a savepoint, that comes to nothing."""
    with suppress(ZeroDivisionError), transaction.atomic():
        yield
        raise ZeroDivisionError


@pytest.fixture
def no_feeds(transactional_db: None) -> None:
    Feed.objects.all().delete()


@pytest.mark.usefixtures("no_feeds")
class TestLater:
    """What waits for the next statement is nowhere else to be seen, and nothing is lost or kept that should not be."""

    def test_the_transaction_reads_what_it_wrote(self) -> None:
        with transaction.atomic():
            add_feed(1)
            assert feeds() == [1]
            add_feed(2)
            Feed.objects.update(last_position=F("last_position") + 10)
        assert feeds() == [11, 12]

    def test_outside_a_transaction_it_is_written_at_once(self) -> None:
        add_feed(1)
        connection.close()
        assert feeds() == [1]

    def test_it_is_gone_when_the_transaction_fails(self) -> None:
        with undone():
            add_feed(1)
        with transaction.atomic():
            add_feed(2)
        assert feeds() == [2]

    @pytest.mark.parametrize("before", [[], [1]])
    @pytest.mark.parametrize("read", [False, True])
    def test_it_is_gone_with_its_savepoint_and_what_was_before_is_not(
        self, before: list[int], read: bool
    ) -> None:
        with transaction.atomic():
            for position in before:
                add_feed(position)
            with undone():
                add_feed(2)
                if read:
                    assert feeds() == [*before, 2]
                with transaction.atomic():
                    add_feed(3)
            add_feed(4)
        assert feeds() == [*before, 4]

    def test_a_savepoint_in_a_savepoint_that_was_undone_is_kept(self) -> None:
        with transaction.atomic():
            with transaction.atomic():
                add_feed(1)
                with undone():
                    pass
                with undone():
                    add_feed(2)
                    assert feeds() == [1, 2]
            assert feeds() == [1]

    def test_what_is_undone_is_not_sent_first_where_it_could_be_refused(
        self, product: Product
    ) -> None:
        level = level_of(product)
        with transaction.atomic():
            add_feed(1)
            with suppress(IntegrityError), undone():
                assert feeds() == [1]
                Assign(StockLevel).later({"on_hand": {level.pk: -1}}, [level.pk])
            add_feed(2)
        assert feeds() == [1, 2]

    def test_what_it_violates_is_said_at_the_end_of_the_block_and_undoes_it(
        self, product: Product
    ) -> None:
        level = level_of(product)

        def sell_what_is_not_there() -> None:
            with transaction.atomic():
                add_feed(1)
                Assign(StockLevel).later({"on_hand": {level.pk: -1}}, [level.pk])
                add_feed(2)

        with pytest.raises(IntegrityError):
            sell_what_is_not_there()
        assert (feeds(), level_of(product).on_hand) == ([], level.on_hand)
        with transaction.atomic():
            add_feed(3)
            with pytest.raises(IntegrityError):
                sell_what_is_not_there()
            add_feed(4)
        assert (feeds(), level_of(product).on_hand) == ([3, 4], level.on_hand)

    @pytest.mark.parametrize("block", [transaction.atomic, nullcontext])
    def test_who_expects_to_be_refused_does_not_hide_it(
        self, product: Product, block: Callable[[], Any]
    ) -> None:
        level = level_of(product)

        def mistake_it() -> None:
            Assign(StockLevel).later({"on_hand": {level.pk: -1}}, [level.pk])
            with suppress(IntegrityError), block():
                Feed.objects.create(last_position=1)

        with suppress(IntegrityError), transaction.atomic():
            mistake_it()
            with suppress(TransactionManagementError):
                add_feed(2)
        assert feeds() == []


def test_a_turnstile_lets_threads_in_one_by_one_in_the_order_they_came() -> None:
    turnstile, entered = Turnstile(), []
    assert turnstile.enter(1)

    def wait(number: int) -> None:
        assert turnstile.enter(10)
        entered.append(number)
        turnstile.leave()

    threads = []
    for number in range(20):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        while len(turnstile._waiting) <= number:
            time.sleep(0.001)
    assert entered == []
    turnstile.leave()
    for thread in threads:
        thread.join(10)
    assert entered == list(range(20))
    assert turnstile.enter(0)


def test_who_waits_in_vain_leaves_the_queue() -> None:
    turnstile = Turnstile()
    turnstile.enter(1)
    assert turnstile.enter(0.01) is False
    turnstile.leave()
    assert turnstile.enter(0) is True


@on_sqlite
@pytest.mark.django_db(transaction=True)
class TestQueue:
    @staticmethod
    def in_another_thread(work: Any) -> Any:
        result: list[Any] = []

        def run() -> None:
            try:
                result.append(work())
            except Exception as error:  # noqa: BLE001 -- the test looks at it
                result.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(30)
        return result[0]

    @staticmethod
    def write() -> str:
        with transaction.atomic():
            Feed.objects.update(last_position=7)
        return "written"

    @pytest.mark.parametrize("end", ["commit", "rollback", "error", "close"])
    def test_whatever_ends_a_transaction_lets_the_next_one_in(self, end: str) -> None:
        try:
            with transaction.atomic():
                if end == "rollback":
                    transaction.set_rollback(True)
                elif end == "error":
                    raise ZeroDivisionError
                elif end == "close":
                    connection.close()
        except ZeroDivisionError:
            pass
        assert self.in_another_thread(self.write) == "written"

    def test_a_writer_waits_for_the_one_before_no_longer_than_the_timeout(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
        with transaction.atomic():
            refused = self.in_another_thread(self.write)
        assert isinstance(refused, OperationalError)
        assert "locked" in str(refused)
        assert self.in_another_thread(self.write) == "written"


@on_mysql
@pytest.mark.django_db(transaction=True)
class TestRoundTrips:
    @staticmethod
    def questions() -> int:
        """How many statements this connection has sent so far, this one included."""
        with connection.cursor() as cursor:
            cursor.execute("SHOW SESSION STATUS LIKE 'Questions'")
            return int(cursor.fetchone()[1])

    def test_a_transaction_is_its_statements_with_begin_and_commit(self) -> None:
        before = self.questions()
        with transaction.atomic():
            Feed.objects.filter(pk=1).exists()
        assert self.questions() - before == 1 + 3

    @pytest.fixture
    def sent(self) -> Iterator[list[str]]:
        """What goes over the wire, a text for each round trip."""
        connection.ensure_connection()
        sent: list[str] = []
        driver = connection.connection

        def query(text: bytes) -> Any:
            sent.append(bytes(text).decode())
            return type(driver).query(driver, text)

        driver.query = query
        driver.commit = lambda: query(b"COMMIT")
        driver.rollback = lambda: query(b"ROLLBACK")
        yield sent
        connection.close()  # and its driver with what was put on it

    @pytest.mark.parametrize(
        "value",
        ["a", "'\\\";%s\0\n\x1aç🍬", "", 0, -(2**63), 2**64, None, True, 1.5, b"\0'\xff", date(2026, 2, 28),
         Decimal("-0.10"), Decimal("1E+3"), Decimal("1E-9"), OrderStatus.PENDING, UUID(int=7)],
    )  # fmt: skip
    def test_values_are_written_as_the_driver_writes_them(self, value: Any) -> None:
        connection.ensure_connection()
        with connection.connection.cursor() as cursor:
            expected = cursor._mogrify("SELECT %s", [value])
        assert connection.written_out("SELECT %s", [value]) == expected  # type: ignore[attr-defined]

    def test_a_refused_statement_leaves_no_answer_of_the_driver_to_the_garbage_collector(
        self,
    ) -> None:
        """Another thread's collection would lock this connection, and its own thread be told that it is in use."""
        with pytest.raises(DatabaseError) as refused, transaction.atomic():
            connection.ask(("SELECT 1", ()), ("SELECT 1 FROM nowhere.nothing", ()))  # type: ignore[attr-defined]
        assert refused.traceback  # its frames live
        answer = sys.modules["MySQLdb._mysql"].result
        assert [it for it in gc.get_objects() if type(it) is answer] == []

    def test_begin_goes_with_the_first_statement(self, sent: list[str]) -> None:
        with transaction.atomic():
            Feed.objects.filter(pk=1).exists()
            Feed.objects.filter(pk=2).exists()
        assert [text[:13] for text in sent] == ["BEGIN;SELECT ", "SELECT 1 AS `", "COMMIT"]

    def test_a_transaction_without_statements_sends_nothing(self, sent: list[str]) -> None:
        with transaction.atomic(), transaction.atomic():
            pass
        with transaction.atomic():
            transaction.set_rollback(True)
        assert sent == []

    def test_what_is_written_later_goes_with_the_commit(self, sent: list[str]) -> None:
        with transaction.atomic():
            add_feed(1)
            add_feed(2)
        assert [text.count("INSERT") for text in sent] == [2]
        assert (sent[0][:13], sent[0][-7:]) == ("BEGIN;INSERT ", ";COMMIT")
        connection.close()
        assert feeds() == [1, 2]

    def test_savepoints_go_with_what_is_done_between_them(self, sent: list[str]) -> None:
        with transaction.atomic():
            for position in (1, 2):
                with transaction.atomic():
                    Feed.objects.create(last_position=position)
        assert len(sent) == 3
        assert [text.count("SAVEPOINT") for text in sent] == [1, 2, 1]
        assert feeds() == [1, 2]

    def test_an_order_takes_three_round_trips(
        self, place: Callable[..., Order], make_product: Callable[..., Product], sent: list[str]
    ) -> None:
        lines = [(make_product(), 1) for _ in range(5)]
        place(*lines)
        del sent[:]
        place(*lines)
        assert [text.count(";") + 1 for text in sent] == [4, 3, 6]

    def test_what_is_rolled_back_is_gone_and_what_is_committed_is_there(self) -> None:
        Feed.objects.update_or_create(pk=1, defaults={"last_position": 1})
        with transaction.atomic():
            Feed.objects.update(last_position=2)
            transaction.set_rollback(True)
        assert Feed.objects.get().last_position == 1
        with transaction.atomic():
            Feed.objects.update(last_position=3)
        connection.close()
        assert Feed.objects.get().last_position == 3

    @staticmethod
    def kill() -> None:
        """End this connection's session from another one, as a restart of the server does."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID()")
            [session] = cursor.fetchone()
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute(f"KILL {session}")
            living = "SELECT COUNT(*) FROM information_schema.processlist WHERE id = %s"
            while cursor.execute(living, [session]) and cursor.fetchone() != (0,):
                time.sleep(0.01)
        other.close()

    def test_a_connection_that_was_idle_is_looked_at_before_it_is_used(self) -> None:
        ask = Query(lambda pk: Feed.objects.filter(pk=pk).values_list("pk"))
        for question in (self.questions, lambda: len(ask(0)) + 1):
            self.kill()
            connection.found_alive_at = 0.0  # type: ignore[attr-defined]  # our backend's
            close_old_connections()
            assert question() > 0

    def test_one_that_died_just_after_it_was_used_is_noticed_without_asking(self) -> None:
        close_old_connections()
        self.questions()
        self.kill()
        connection.found_alive_at = time.monotonic()  # type: ignore[attr-defined]  # our backend's
        close_old_connections()
        assert self.questions() > 0

    def test_one_that_dies_in_a_transaction_says_so_at_the_next_statement_and_at_commit(
        self,
    ) -> None:
        ask = Query(lambda pk: Feed.objects.filter(pk=pk).values_list("pk"))

        def ask_and_write() -> None:
            ask(0)
            add_feed(1)

        for statement in (lambda: ask(0), lambda: add_feed(1), feeds, ask_and_write):
            with pytest.raises(OperationalError), transaction.atomic():  # noqa: PT012 -- whichever it is
                self.kill()
                statement()
            assert feeds() == []
