"""Mail and a mail server that is away or slow: said to those who wait for it, and never felt by those who do not.

What is sent later waits in the memory of its process, and is lost with it; whoever asked asks again.
"""

import contextvars
import functools
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from django.db import connections
from django.utils import translation

from .metrics import UNSENT

log = structlog.get_logger(__name__)

WAITING: Final = 100  # mails of a process; what is asked for while so many wait is dropped
#: Seconds that a mail waits at least. By then its request is answered, and takes no longer for the work on it.
PAUSE: Final = 0.1


def sent(send: Callable[[], object]) -> bool:
    """Whether the mail server took what `send` gives it; what it did not take is logged, and counted for `/metrics`."""
    try:
        send()
    except OSError as error:  # what smtplib raises is one, too
        UNSENT.inc()
        log.warning("mail_not_sent", error=str(error))
        return False
    return True


def _sent_in(language: str, send: Callable[[], object]) -> None:
    with translation.override(language):
        sent(send)


class Background:
    """One thread a process, begun with its first mail; it speaks the language of the request that asked."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[float, Callable[[], object]]] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, send: Callable[[], object]) -> None:
        # The context holds the request id of the log, and the request that allauth asks for; not the language,
        # which Django keeps for each thread.
        language = translation.get_language()
        task = functools.partial(contextvars.copy_context().run, _sent_in, language, send)
        try:
            self._waiting.put_nowait((time.monotonic() + PAUSE, task))
        except queue.Full:
            UNSENT.inc()
            log.warning("mail_dropped", waiting=WAITING)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="mail", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            due, task = self._waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                task()
            except Exception:
                UNSENT.inc()
                log.exception("mail_failed")  # of this one; the next is tried all the same
            finally:
                connections.close_all()  # it is idle for hours


background: Final = Background()


def send_later(send: Callable[[], object]) -> None:
    """Have `send` called after the request was answered: nobody waits for it, or learns what became of it."""
    background.add(send)
