from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self) -> None:
        from customers.services import IN_USE_CHECKS  # noqa: PLC0415 -- the app registry is ready only now

        from . import queries, receivers  # noqa: F401, PLC0415 -- as above

        IN_USE_CHECKS.append(queries.has_open_orders)
