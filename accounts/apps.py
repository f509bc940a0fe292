from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.management import CommandError
from django.db import connections
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        # The app registry is ready only now.
        from allauth.account.signals import user_logged_in  # noqa: PLC0415
        from allauth.usersessions.signals import on_user_logged_in  # noqa: PLC0415
        from django.contrib.auth.signals import user_logged_in as user_signed_in  # noqa: PLC0415

        from . import receivers  # noqa: F401, PLC0415

        # It writes outside any transaction, so a sign-in that met a change of the account was answered with 503 where
        # waiting and trying again does: our adapter notes that, too.
        user_signed_in.disconnect(dispatch_uid="update_last_login")
        # It reads every session the user ever had, two queries each, at every sign-in; our adapter
        # notes the new session instead.
        user_logged_in.disconnect(on_user_logged_in)
        post_migrate.connect(bootstrap_admin, sender=self)


def bootstrap_admin(*, using: str, **_: Any) -> None:
    """The first administrator from ADMIN_EMAIL and ADMIN_PASSWORD, at the end of every `migrate` until there is one."""
    from erp_site.core.errors import DomainError  # noqa: PLC0415 -- the app registry is ready only now

    from . import services  # noqa: PLC0415 -- as above

    if not (settings.ADMIN_EMAIL and settings.ADMIN_PASSWORD):
        return
    if "account_emailaddress" not in connections[using].introspection.table_names():
        return  # migrated backwards, or only in part
    try:
        services.bootstrap_admin(email=settings.ADMIN_EMAIL, password=settings.ADMIN_PASSWORD)
    except DomainError as error:
        raise CommandError(f"ADMIN_EMAIL and ADMIN_PASSWORD: {error.message}") from error
