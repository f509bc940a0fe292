"""Demo data: 90 days of an invented distributor, once."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.models import Product
from customers.models import Customer
from erp_site.demo import LOGINS, PASSWORD, story
from orders.models import Order


class Command(BaseCommand):
    help = "Fill an empty database with demo data. A database with orders in it is left alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--production",
            action="store_true",
            help="Do it with production settings too, although everybody knows the demo's password.",
        )

    def handle(self, *, production: bool, verbosity: int, **options: Any) -> None:
        if settings.PRODUCTION and not production:
            raise CommandError(
                f"These are production settings, and the demo's password ({PASSWORD}) is public. "
                "Add --production if this is only a try."
            )
        told = story.tell()
        if verbosity:
            self.stdout.write(
                self.summary() if told else "There are orders already; nothing was done."
            )

    def summary(self) -> str:
        return (
            f"Made {Product.objects.count()} products, {Customer.objects.count()} customers and "
            f"{Order.all_objects.count()} orders. Sign in as {', '.join(LOGINS.values())} "
            f"with the password {PASSWORD}."
        )
