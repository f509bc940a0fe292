"""Waking the worker of this process, and its waiting for that."""

import threading
import time
from typing import Final

bell: Final = threading.Event()


def wake() -> None:
    """Tell the worker of this process, after a commit, that there is something to do. Others look by themselves."""
    bell.set()


def wait(stopping: threading.Event, seconds: float) -> None:
    """Until somebody rings or the time is over; never on `stopping` itself, which a signal handler may set."""
    deadline = time.monotonic() + seconds
    while not stopping.is_set() and (left := deadline - time.monotonic()) > 0:
        if bell.wait(min(left, 0.5)):
            return
