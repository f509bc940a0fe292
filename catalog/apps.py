from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CatalogConfig(AppConfig):
    name = "catalog"

    def ready(self) -> None:
        from . import receivers  # noqa: PLC0415 -- the app registry is ready only now

        post_migrate.connect(receivers.make_default_warehouse, sender=self)
