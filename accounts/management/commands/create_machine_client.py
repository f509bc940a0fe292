"""Let a program in."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from accounts import services
from accounts.roles import Role
from erp_site.core.errors import DomainError


class Command(BaseCommand):
    help = (
        "Make an OAuth client for a program and the service user it acts as; "
        "the secret is shown once and stored hashed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "name", help="what the program is called, for example 'Warehouse scanner'"
        )
        parser.add_argument(
            "--role",
            choices=Role.values,
            default=Role.VIEWER.value,
            help="what it may do (default: viewer)",
        )

    def handle(self, *args: Any, name: str, role: str, **options: Any) -> None:
        try:
            made = services.create_machine_client(name=name, role=role)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"client_id={made.client_id}\nclient_secret={made.secret}")
        self.stderr.write(
            "Keep the secret now, it is not shown again. A token, good for an hour:\n"
            "  curl -u CLIENT_ID:CLIENT_SECRET -d grant_type=client_credentials "
            "https://HOST/identity/o/api/token\n"
            f"It acts as {made.user.email} ({role}): deactivate that user to shut it out."
        )
