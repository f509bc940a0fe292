"""Django's MySQL backend with fewer round trips: two less for each transaction, and one less for most requests."""

import time
from typing import Final

from django.db.backends.mysql import base

TRUSTED_FOR: Final = 5.0  # seconds that a connection found alive is not asked again


class DatabaseWrapper(base.DatabaseWrapper):
    """`ENGINE` of settings. Everything that is not here is Django's."""

    found_alive_at = 0.0  # monotonic seconds
    health_check_done: bool
    health_check_enabled: bool

    def _start_transaction_under_autocommit(self) -> None:
        """BEGIN, where Django would switch autocommit off before and on again after each transaction.

        A deadlock ends the transaction on the server, and what came after it would be committed at once: so
        nothing inside atomic() may catch OperationalError, which is a rule of the house anyway.
        """
        with self.wrap_database_errors:
            self.connection.query("BEGIN")

    def close_if_health_check_failed(self) -> None:
        """Once in a while, not with every request; a connection that has failed is checked by Django anyway."""
        if self.connection is None or self.health_check_done or not self.health_check_enabled:
            return
        now = time.monotonic()
        if now - self.found_alive_at < TRUSTED_FOR:
            self.health_check_done = True
            return
        super().close_if_health_check_failed()
        self.found_alive_at = now
