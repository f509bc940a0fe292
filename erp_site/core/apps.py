from django.apps import AppConfig
from django.conf import settings


class CoreConfig(AppConfig):
    name = "erp_site.core"
    label = "core"

    def ready(self) -> None:
        from . import consumers, paths, webhooks  # noqa: F401, PLC0415 -- ready only now; paths adds its converter

        consumers.register_source(webhooks.active_consumers)

        if settings.REDIS_URL:
            consumers.register(consumers.redis_stream(settings.REDIS_URL))
