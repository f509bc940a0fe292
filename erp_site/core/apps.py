from django.apps import AppConfig
from django.conf import settings


class CoreConfig(AppConfig):
    name = "erp_site.core"
    label = "core"

    def ready(self) -> None:
        from . import consumers  # noqa: PLC0415 -- the app registry is ready only now

        if settings.REDIS_URL:
            consumers.register(consumers.redis_stream(settings.REDIS_URL))
