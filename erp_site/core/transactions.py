"""Transactions that survive the database's own bad luck: deadlocks, lock waits, a busy SQLite file."""

import functools
import random
import time
from collections.abc import Callable
from typing import Final

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.utils.translation import gettext as _

from . import metrics
from .errors import Busy

log = structlog.get_logger(__name__)

#: MySQL/MariaDB: 1213 deadlock, 1205 lock wait timeout, 1020 row changed since last read (MariaDB).
RETRYABLE_MYSQL: Final = frozenset({1213, 1205, 1020})

FIRST_PAUSE: Final = 0.05  # seconds
LONGEST_PAUSE: Final = 1.0  # seconds
DEADLINE: Final = 10.0  # seconds from the first attempt


#: The unique column of every table that records idempotency keys.
KEY_COLUMN: Final = "key_hash"


def is_duplicate(error: IntegrityError, *names: str) -> bool:
    """Did a UNIQUE refuse the row, and is it the one of these columns or constraints?

    SQLite names the columns, MySQL and MariaDB (error 1062) the index, so pass both where they differ.
    """
    text = str(error)
    refused = text.startswith("UNIQUE constraint failed") or bool(
        error.args and error.args[0] == 1062
    )
    return refused and any(name in text for name in names)


def is_retryable(error: Exception) -> bool:
    """Would the same transaction probably succeed if it were run again?"""
    if isinstance(error, IntegrityError):
        # Another request with the same idempotency key has just won: the next attempt finds its result.
        return is_duplicate(error, KEY_COLUMN)
    if not isinstance(error, OperationalError):
        return False
    if connection.vendor == "sqlite":
        return "locked" in str(error) or "busy" in str(error)
    return bool(error.args) and error.args[0] in RETRYABLE_MYSQL


def retrying_atomic[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` in a transaction; run it again from the start when the database asks for that.

    Only the outermost call opens the transaction and retries: a nested one is a savepoint, because a
    deadlock has already rolled back everything, the outer work included. Nothing inside may catch
    OperationalError: a swallowed lock wait timeout was seen to commit half a transaction. Work that
    must not happen twice (Redis, HTTP, mail) belongs in `transaction.on_commit`.

    Pauses follow AWS's "full jitter": a random time up to 50 ms, doubled each time, at most 1 s; after
    10 s in all the caller gets `Busy` (503).
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            with transaction.atomic():
                return function(*args, **kwargs)
        deadline = time.monotonic() + DEADLINE
        pause = FIRST_PAUSE
        attempt = 1
        while True:
            try:
                with transaction.atomic():
                    return function(*args, **kwargs)
            except (OperationalError, InterfaceError, IntegrityError) as error:
                if not is_retryable(error):
                    raise
                sleep = random.uniform(0, pause)  # noqa: S311 -- jitter, not a secret
                if time.monotonic() + sleep > deadline:
                    raise Busy(
                        _("The database is busy. Nothing was changed; please try again.")
                    ) from error
                metrics.RETRIES.inc()
                log.info(
                    "transaction_retry",
                    function=function.__qualname__,
                    attempt=attempt,
                    error=str(error),
                )
                time.sleep(sleep)
                pause = min(pause * 2, LONGEST_PAUSE)
                attempt += 1

    return wrapper
