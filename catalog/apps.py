from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CatalogConfig(AppConfig):
    name = "catalog"

    def ready(self) -> None:
        from erp_site.core.consumers import Consumer, register  # noqa: PLC0415 -- the app registry is ready only now
        from erp_site.core.events import EventType  # noqa: PLC0415 -- as above

        from . import receivers, services  # noqa: PLC0415 -- as above

        post_migrate.connect(receivers.make_default_warehouse, sender=self)
        register(
            Consumer(
                name="low-stock-notice",
                handle=services.note_low_stock,
                types=frozenset({EventType.STOCK_LOW}),
            )
        )
