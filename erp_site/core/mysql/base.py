"""Django's MySQL backend with fewer round trips: what need not be answered at once travels with what must."""

import select
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any, Final, NamedTuple

import MySQLdb  # type: ignore[import-untyped]  # compiled
from django.db import IntegrityError
from django.db.backends.mysql import base

from erp_site.core.database import is_watched

#: Seconds that a connection found alive is not asked again, while its server is silent.
TRUSTED_FOR: Final = 5.0
BEGIN: Final = b"BEGIN"
COMMIT: Final = b"COMMIT"
RAW: Final = "surrogateescape"  # bytes that are no text go through text unchanged


class CursorWrapper(base.CursorWrapper):
    """Sends along what waits. The answers of the statements before the last one say whether they failed, no more."""

    def __init__(self, cursor: Any, database: "DatabaseWrapper") -> None:
        super().__init__(cursor)
        self.database = database

    def execute(self, query: Any, args: Any = None) -> Any:
        if is_watched(self.database):
            self.database.send_waiting()
        if not self.database.waiting:
            return super().execute(query, args)
        waiting = self.database.take_waiting()
        with self.database.doomed_by_failure():
            super().execute(b";".join([*waiting, self.cursor._mogrify(query, args)]))
            for _ in waiting[1:]:
                self.nextset()
        self.nextset()
        return self.rowcount

    def executemany(self, query: Any, args: Any) -> Any:
        self.database.send_waiting()
        return super().executemany(query, args)

    def nextset(self) -> Any:
        try:
            return self.cursor.nextset()
        except MySQLdb.OperationalError as error:
            raise as_django_reads_it(error) from None


def _stored_rows(driver: Any) -> Sequence[Any]:
    """What the present statement answered.

    The driver's result dies here. In the frame of an error it would be left to the garbage collector, and so to any
    thread, which takes the connection's lock for it: its own thread was told then that it is in use.
    """
    result = driver.store_result()
    rows: Sequence[Any] = result.fetch_row(0) if result else ()
    return rows


class Answer(NamedTuple):
    """What a statement answered."""

    rows: Sequence[Any]
    last_id: int
    """That it gave to the row it inserted, if it was one and ids are counted."""


def as_django_reads_it(error: BaseException) -> BaseException:
    """MySQL calls some refusals of a value operational: what Django's own cursor makes of them."""
    if (
        isinstance(error, MySQLdb.OperationalError)
        and error.args[0] in base.CursorWrapper.codes_for_integrityerror
    ):
        return IntegrityError(*error.args)
    return error


class DatabaseWrapper(base.DatabaseWrapper):
    """`ENGINE` of settings. Everything that is not here is Django's."""

    found_alive_at = 0.0  # monotonic seconds
    health_check_done: bool
    health_check_enabled: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Statements of the present transaction that go with the next one, or with its COMMIT.
        self.waiting: list[bytes] = []
        #: One of them writes something, and may be refused.
        self.may_fail = False

    def create_cursor(self, name: str | None = None) -> CursorWrapper:
        return CursorWrapper(self.connection.cursor(), self)

    def ask(self, *statements: tuple[str, Sequence[Any]]) -> list[Answer]:
        """Send these statements, and before them what waits, in one round trip.

        Past the driver's cursor, which describes columns that nobody asks about and takes most of its time for it.
        """
        self.validate_no_broken_transaction()
        waiting, driver, answers = self.take_waiting(), self.connection, []
        sent = [*waiting, *(self.written_out(*each) for each in statements)]
        with self.wrap_database_errors:
            try:
                driver.query(b";".join(sent))
                for number in range(len(sent)):
                    if number:
                        driver.next_result()
                    answers.append(Answer(_stored_rows(driver), driver.insert_id()))
            except BaseException as error:  # noqa: BLE001 -- nothing may be left for the next statement to read
                if len(answers) < len(waiting):
                    self.needs_rollback = True  # see doomed_by_failure
                with suppress(MySQLdb.Error):  # of a connection that is gone
                    while driver.next_result() == 0:
                        driver.discard_result()
                raise as_django_reads_it(error) from None
        return answers[len(waiting) :]

    def ask_later(self, sql: str, values: Sequence[Any]) -> None:
        """Send this with the next statement of the transaction, or with its COMMIT, which then fails if this does."""
        self.validate_no_broken_transaction()
        self.ensure_connection()
        self.waiting.append(self.written_out(sql, values))
        self.may_fail = True

    def written_out(self, sql: str, values: Sequence[Any]) -> bytes:
        """The statement with its values in it, as the driver writes them."""
        quoted = self.connection.string_literal
        # Nearly all of an order's 200 values are of these kinds, for which the driver takes five times as long.
        words = [
            value
            if (kind := type(value)) is int
            else quoted(value.encode()).decode()
            if kind is str
            else "NULL"
            if value is None
            else self._word(value)
            for value in values
        ]
        return (sql % tuple(words)).encode(errors=RAW)

    def _word(self, value: Any) -> str:
        if type(value) is Decimal:
            return f"{value:f}"
        if isinstance(value, str):  # a choice
            return str(self.connection.string_literal(value.encode()).decode())
        return str(self.connection.literal(value).decode(errors=RAW))

    def take_waiting(self) -> list[bytes]:
        taken, self.waiting, self.may_fail = self.waiting, [], False
        return taken

    def send_waiting(self) -> None:
        """Send what waits by itself."""
        if self.waiting:
            with self.doomed_by_failure():
                self._send_waiting_and()

    @contextmanager
    def doomed_by_failure(self) -> Iterator[None]:
        """Without this, who expects their own statement to be refused could catch the refusal of one that waited, and
        the transaction would be committed without it."""
        try:
            yield
        except BaseException:
            self.needs_rollback = True
            raise

    def _send_waiting_and(self, *more: bytes) -> None:
        """Send what waits, and `more`, none of which answers anything."""
        with self.wrap_database_errors:
            try:
                self.connection.query(b";".join([*self.take_waiting(), *more]))
                while self.connection.next_result() == 0:
                    pass
            except MySQLdb.OperationalError as error:
                raise as_django_reads_it(error) from None

    def _start_transaction_under_autocommit(self) -> None:
        """BEGIN, where Django would switch autocommit off before and on again after each transaction.

        A deadlock ends the transaction on the server, and what came after it would be committed at once: so
        nothing inside atomic() may catch OperationalError, which is a rule of the house anyway.
        """
        self.waiting = [BEGIN]

    def _commit(self) -> None:
        if self.waiting == [BEGIN]:  # nothing was asked
            self.waiting = []
        elif self.waiting:
            self._send_waiting_and(COMMIT)
        else:
            super()._commit()  # type: ignore[misc]  # the stubs know public names alone

    def _rollback(self) -> None:
        if BEGIN not in self.take_waiting():
            super()._rollback()  # type: ignore[misc]

    def _savepoint(self, sid: str) -> None:
        if self.may_fail:  # outside of what is undone
            self.send_waiting()
        if is_watched(self):
            super()._savepoint(sid)  # type: ignore[misc]
        else:
            self.waiting.append(self.ops.savepoint_create_sql(sid).encode())

    def _savepoint_commit(self, sid: str) -> None:
        release = self.ops.savepoint_commit_sql(sid).encode()
        if self.waiting[-1:] == [self.ops.savepoint_create_sql(sid).encode()]:
            self.waiting.pop()  # nothing was asked
        elif self.may_fail:
            self._send_waiting_and(release)
        elif is_watched(self):
            super()._savepoint_commit(sid)  # type: ignore[misc]
        else:
            self.waiting.append(release)

    def _savepoint_rollback(self, sid: str) -> None:
        begun = self.ops.savepoint_create_sql(sid).encode()
        if begun in self.waiting:
            del self.waiting[self.waiting.index(begun) + 1 :]
            self.may_fail = False  # what may have failed was sent before the savepoint
            return
        # All of it came after the savepoint, which has been sent, with everything that waited before.
        self.take_waiting()
        super()._savepoint_rollback(sid)  # type: ignore[misc]

    def close(self) -> None:
        self.take_waiting()
        super().close()

    def close_if_health_check_failed(self) -> None:
        """Once in a while, or where the server has hung up, not with every request; a connection that has failed is
        checked by Django anyway."""
        if self.connection is None or self.health_check_done or not self.health_check_enabled:
            return
        now = time.monotonic()
        if now - self.found_alive_at < TRUSTED_FOR and not self._has_word_unasked():
            self.health_check_done = True
            return
        super().close_if_health_check_failed()
        self.found_alive_at = now

    def _has_word_unasked(self) -> bool:
        """A server speaks when it is asked. What lies there without is most likely its farewell: it was restarted."""
        poller = select.poll()
        poller.register(self.connection.fileno(), select.POLLIN)
        return bool(poller.poll(0))
