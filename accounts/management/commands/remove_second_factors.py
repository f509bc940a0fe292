"""Let somebody in who lost their phone and their recovery codes, and whom no other administrator can help."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from accounts import services
from erp_site.core.errors import DomainError


class Command(BaseCommand):
    help = (
        "Remove somebody's authenticator app, passkeys and recovery codes and sign them out everywhere: "
        "the password alone signs in again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the address they sign in with")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        try:
            user = services.rescue(email=email)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{user.email} signs in with the password alone.")
