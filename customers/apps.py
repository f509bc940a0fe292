from django.apps import AppConfig


class CustomersConfig(AppConfig):
    name = "customers"

    def ready(self) -> None:
        from catalog.services import IN_USE_CHECKS  # noqa: PLC0415 -- the app registry is ready only now

        from . import queries, receivers  # noqa: F401, PLC0415 -- as above

        IN_USE_CHECKS.append(queries.anybody_buys_by)
