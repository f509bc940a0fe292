"""Is the data as it should be? Exit 0 and one line of figures, or 1 and what is wrong."""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from erp_site import integrity
from erp_site.integrity import MOST_COUNTED, Report


class Command(BaseCommand):
    help = (
        "Check stock against ledger and orders, histories, totals, keys and events, as of one moment. "
        "Changes nothing, and may run beside a site in use."
    )

    def handle(self, **options: Any) -> None:
        started = time.monotonic()
        report = integrity.inspect()
        if report.breaches:
            self.describe(report)
            raise CommandError(f"Rules broken: {len(report.breaches)}.")
        # Asked of another database than meant, all would be well too.
        database = f"{connection.display_name} {Path(connection.settings_dict['NAME']).name}"
        figures = ", ".join(f"{number:,} {what}" for what, number in report.figures.items())
        self.stdout.write(
            f"All is well in {database}: {figures} ({time.monotonic() - started:.1f} s)."
        )

    def describe(self, report: Report) -> None:
        for rule, count in report.breaches.items():
            more = " or more" if count >= MOST_COUNTED else ""
            self.stdout.write(f"{rule.name.lower()}: {rule}. Not so {count:,}{more} times:")
            for example in report.examples[rule]:
                self.stdout.write(f"  {example}")
