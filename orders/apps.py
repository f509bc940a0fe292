from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self) -> None:
        from accounts.roles import Permission  # noqa: PLC0415 -- as below
        from customers.services import IN_USE_CHECKS  # noqa: PLC0415 -- the app registry is ready only now
        from erp_site.core import sections  # noqa: PLC0415 -- as above

        from . import queries, receivers  # noqa: F401, PLC0415 -- as above

        IN_USE_CHECKS.append(queries.has_open_orders)
        for page, template, data in (
            ("catalog:detail", "orders/_reserving.html", queries.reserving),
            ("customers:detail", "orders/_of_customer.html", queries.of_customer),
        ):
            sections.add(page, sections.Section(template, Permission.VIEW_ORDERS, data))
