"""What our database backends do otherwise than Django's: the queue of SQLite's writers, MySQL's round trips."""

import threading
import time
from typing import Any

import pytest
from django.db import OperationalError, close_old_connections, connection, transaction

from erp_site.core.models import Feed
from erp_site.core.sqlite.base import Turnstile

on_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="the queue is SQLite's")
on_mysql = pytest.mark.skipif("connection.vendor != 'mysql'", reason="the round trips are MySQL's")


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
        self.kill()
        connection.found_alive_at = 0.0  # type: ignore[attr-defined]  # our backend's
        close_old_connections()
        assert self.questions() > 0

    def test_one_that_died_just_after_it_was_used_costs_one_request(self) -> None:
        close_old_connections()
        self.questions()
        self.kill()
        connection.found_alive_at = time.monotonic()  # type: ignore[attr-defined]  # our backend's
        close_old_connections()
        with pytest.raises(OperationalError):
            self.questions()
        close_old_connections()
        assert self.questions() > 0
