from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "erp_site.core"
    label = "core"
