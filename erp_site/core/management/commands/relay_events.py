"""`manage.py relay_events`: one relay process; any number may run side by side."""

import signal
import threading
from types import FrameType
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser

from erp_site.core import outbox

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Publish committed events and deliver them to their consumers, until SIGTERM or Ctrl-C."
    requires_system_checks = ()  # some ask the database, which may still be starting

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="Stop when nothing is left that can be done now."
        )

    def handle(self, *, once: bool, **options: Any) -> None:
        stop = threading.Event()

        def end(number: int, frame: FrameType | None) -> None:
            # A second signal ends the process at once; what is leased then is delivered again later.
            for each in (signal.SIGTERM, signal.SIGINT):
                signal.signal(each, signal.SIG_DFL)
            stop.set()

        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, end)
        log.info("relay_started", once=once)
        outbox.run(stop, once=once)
        log.info("relay_stopped")
