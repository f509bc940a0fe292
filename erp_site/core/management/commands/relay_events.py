"""`manage.py relay_events`: one relay process, which works on imports too; any number may run side by side."""

import signal
import threading
from types import FrameType
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser

from erp_site.core import imports, outbox, webhooks

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
        if once:
            outbox.run(stop, once=True)
            webhooks.drain(stop)
            imports.run(stop, once=True)
        else:
            ends = [imports.start_thread(), webhooks.start_thread()]
            outbox.run(stop)
            for end_thread in ends:
                end_thread()
        log.info("relay_stopped")
