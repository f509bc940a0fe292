"""Django's SQLite backend with a queue for writers.

SQLite lets writers poll for its one write lock, so who waits longest may wait on: with eight clients the slowest
of a hundred orders took ten times as long as with a queue. Threads of this process take turns here, in the order
they came; against other processes SQLite's own waiting remains.
"""

import functools
import threading
from collections import defaultdict, deque
from typing import Any, Final

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError


class Turnstile:
    """A lock that is handed on in the order of asking."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def enter(self, timeout: float) -> bool:
        """Wait for one's turn, at most `timeout` seconds. False: it did not come."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=timeout):
            return True
        with self._guard:
            if turn not in self._waiting:
                return True  # it came at the last moment
            self._waiting.remove(turn)
            return False

    def leave(self) -> None:
        """Hand it to whoever has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


_turnstiles: Final[defaultdict[str, Turnstile]] = defaultdict(Turnstile)  # one for each file


@functools.lru_cache(maxsize=256)
def _with_question_marks(query: str) -> str:
    return str(base.FORMAT_QMARK_REGEX.sub("?", query)).replace("%%", "%")


class CursorWrapper(base.SQLiteCursorWrapper):
    """Rewrites each statement once: it was a twentieth of what an order costs."""

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        if param_names is None:
            return _with_question_marks(query)
        return super().convert_query(query, param_names=param_names)


class DatabaseWrapper(base.DatabaseWrapper):
    """`ENGINE` of settings. Everything that is not here is Django's."""

    _inside: Turnstile | None = None

    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=CursorWrapper)

    def _start_transaction_under_autocommit(self) -> None:
        turnstile = _turnstiles[str(self.settings_dict["NAME"])]
        if not turnstile.enter(self.settings_dict["OPTIONS"].get("timeout", 5)):
            raise OperationalError("database is locked")
        self._inside = turnstile
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # not in the stubs
        except BaseException:
            self._leave()
            raise

    def _set_autocommit(self, autocommit: bool) -> None:
        try:
            super()._set_autocommit(autocommit)  # type: ignore[misc]
        finally:
            if autocommit:
                self._leave()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._inside is not None:
            turnstile, self._inside = self._inside, None
            turnstile.leave()
