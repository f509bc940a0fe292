from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "erp_site"

    def ready(self) -> None:
        from erp_site.core import imports  # noqa: PLC0415 -- the app registry is ready only now

        from .sheets import IMPORTS  # noqa: PLC0415 -- as above

        for kind in IMPORTS:
            imports.register(kind)
