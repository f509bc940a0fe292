"""Every address of the product on one screen."""

from django.urls import include, path

from erp_site import health, home
from erp_site.api import api

urlpatterns = [
    path("", home.home, name="home"),
    path("orders/", include("orders.urls")),
    path("docs", home.docs, name="docs"),
    path("docs/errors", home.errors, name="docs_errors"),
    path("api/v1/", api.urls),
    path("health", health.health, name="health"),
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
    path("metrics", health.metrics, name="metrics"),
    path("", include("accounts.urls")),
]
handler500 = "erp_site.home.server_error"
