"""Is the data as it should be? Exit 0 and one line of figures, or 1 and what is wrong."""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection

from erp_site import integrity
from erp_site.core.schema import missing_migrations
from erp_site.integrity import MOST_COUNTED, Report


class Command(BaseCommand):
    help = (
        "Check stock against ledger and orders, histories, totals, keys and events, as of one moment. "
        "Changes nothing, and may run beside a site in use."
    )

    requires_system_checks = ()  # some ask the database, which may be what is wrong

    def handle(self, **options: Any) -> None:
        started = time.monotonic()
        report = inspected()
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


def inspected() -> Report:
    """What integrity.inspect finds.

    Raises:
        CommandError: the database is none of ours, in words for whoever runs the site.
    """
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        asked = f"SQLite {name}"
        if not Path(name).exists():  # SQLite would make one
            raise CommandError(f"There is no {asked}. Check DATABASE_URL.")
    else:
        options = connection.settings_dict
        where = options["OPTIONS"].get("unix_socket") or f"{options['HOST']}:{options['PORT']}"
        asked = f"MySQL {name} at {where}"
    try:
        if missing := missing_migrations():
            raise CommandError(
                f"{asked} is not as this version needs it, migrations missing: {len(missing)}. "
                "Run `manage.py migrate`."
            )
        return integrity.inspect()
    except (DatabaseError, InterfaceError) as error:
        raise CommandError(
            f"{asked} cannot be read: {error.args[-1] if error.args else error}. Check DATABASE_URL."
        ) from error
