"""Data in bulk, to measure with: as many orders as wanted, once."""

import time
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from erp_site.demo import LOGINS, PASSWORD, load
from orders.models import Order

#: From so many orders on, sorting indexes takes less time than filling them.
MANY: Final = 100_000


class Command(BaseCommand):
    help = (
        "Fill an empty database with two years of orders, each with lines, history, stock movements and events. "
        "A million take some minutes on MariaDB."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--orders", type=int, required=True, help="How many.")
        parser.add_argument("--products", type=int, default=10_000, help="How many of them.")
        parser.add_argument("--seed", type=int, default=2026, help="Another seed, other data.")
        parser.add_argument(
            "--production",
            action="store_true",
            help="Do it with production settings too, although everybody knows the demo's password.",
        )

    def handle(
        self,
        *,
        orders: int,
        products: int,
        seed: int,
        production: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        if settings.PRODUCTION and not production:
            raise CommandError(
                f"These are production settings, and the demo's password ({PASSWORD}) is public. "
                "Add --production if this database is there to be measured."
            )
        if orders < 1 or products < max(load.LINES):
            raise CommandError(f"At least one order, and at least {max(load.LINES)} products.")
        started = time.monotonic()
        load.accept_files()
        try:
            load.fill(orders, products=products, seed=seed, indexes_last=orders >= MANY)
            load.analyse()
        except load.NotEmpty:
            raise CommandError(
                "There are orders, products or customers already; nothing was done."
            ) from None
        if verbosity:
            self.stdout.write(
                f"Made {Order.all_objects.count():,} orders in {time.monotonic() - started:.0f} s. "
                f"Sign in as {', '.join(LOGINS.values())} with the password {PASSWORD}."
            )
