"""What can be said of any database connection: how long it may say nothing, and whether somebody watches it."""

from typing import Any, Final

from django.db import connection, connections

SILENCE: Final = 30  # seconds; far beyond any statement of ours, which lock waits end after 3


def is_watched(database: Any) -> bool:
    """Does somebody count or log its statements? Then each goes by itself, through Django's cursor."""
    return bool(database.queries_logged or database.execute_wrappers)


def limit_silence() -> None:
    """Give up on a statement that is not answered within SILENCE: OperationalError, so 503 to a request.

    Without this a database host that vanishes from the network without a word (power, firewall, failover)
    keeps every thread waiting until the kernel gives up, which may be hours. For new connections of this
    process, so call it before the first; not for processes that migrate, which takes as long as it takes.
    """
    if connection.vendor == "mysql":
        options = connection.settings_dict["OPTIONS"]
        options.setdefault("read_timeout", SILENCE)
        options.setdefault("write_timeout", SILENCE)
        connections.close_all()
