"""Imports: a file that is checked row by row without writing anything, then applied row by row, in the background.

What can be imported is registered by the site as a `Kind`: its fields, and the service that each row goes
through. A job and its file are rows of the database, so any process may work on it and none loses it:

- `claim` leases a job to one worker; a lease that ran out, after a crash, is anybody's again;
- checking runs the service of every row and rolls it back, so it finds exactly what applying would refuse;
- applying writes a row, what came of it and how far the job is in ONE transaction: after `kill -9` the next
  worker goes on behind the last row that was committed, and no row is applied twice.
"""

from .jobs import (
    ACTIVE,
    KEYS,
    NotPossibleNow,
    choose_columns,
    create_job,
    get_job,
    start_apply,
    start_check,
    stop,
)
from .registry import Field, Kind, guess_columns, kinds, register
from .turns import LEASE, LeaseLost, Tables, Turn
from .worker import claim, prune, run, start_thread, work

__all__ = [
    "ACTIVE",
    "KEYS",
    "LEASE",
    "Field",
    "Kind",
    "LeaseLost",
    "NotPossibleNow",
    "Tables",
    "Turn",
    "choose_columns",
    "claim",
    "create_job",
    "get_job",
    "guess_columns",
    "kinds",
    "prune",
    "register",
    "run",
    "start_apply",
    "start_check",
    "start_thread",
    "stop",
    "work",
]
