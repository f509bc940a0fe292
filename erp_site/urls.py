"""Every address of the product on one screen."""

from django.urls import include, path

from erp_site import activity, dashboard, exporting, health, home, importing, palette, webhooks
from erp_site.api import api

imports = [
    path("", importing.import_list, name="list"),
    path("<id:job_id>", importing.import_job, name="job"),
    path("<id:job_id>/columns", importing.import_columns, name="columns"),
    path("<id:job_id>/apply", importing.import_apply, name="apply"),
    path("<id:job_id>/stop", importing.import_stop, name="stop"),
    path("<id:job_id>/result.<str:kind>", importing.import_result, name="result"),
]
hooks = [
    path("", webhooks.webhook_list, name="list"),
    path("new", webhooks.webhook_new, name="new"),
    path("<id:webhook_id>", webhooks.webhook_detail, name="detail"),
    path("<id:webhook_id>/edit", webhooks.webhook_edit, name="edit"),
    path("<id:webhook_id>/secret", webhooks.webhook_secret, name="secret"),
    path("<id:webhook_id>/rotate", webhooks.webhook_rotate, name="rotate"),
    path("<id:webhook_id>/activity", webhooks.webhook_activity, name="activity"),
    path("<id:webhook_id>/test", webhooks.webhook_test, name="test"),
    path("<id:webhook_id>/retry", webhooks.webhook_retry, name="retry"),
    path("<id:webhook_id>/set-aside", webhooks.webhook_set_aside, name="set_aside"),
    path("<id:webhook_id>/delete", webhooks.webhook_delete, name="delete"),
]
urlpatterns = [
    path("api/v1/", api.urls),
    path("", dashboard.home, name="home"),
    path("activity", activity.activity, name="activity"),
    path("notices", activity.notices, name="notices"),
    path("notices/bell", activity.bell, name="bell"),
    path("palette", palette.palette, name="palette"),
    path("orders/", include("orders.urls")),
    path("products/", include("catalog.urls")),
    path("customers/", include("customers.urls")),
    path("export/<str:name>.<str:kind>", exporting.export, name="export"),
    path("import/", include((imports, "imports"))),
    path("webhooks/", include((hooks, "webhooks"))),
    path("favicon.ico", home.favicon, name="favicon"),
    path("docs", home.docs, name="docs"),
    path("docs/errors", home.errors, name="docs_errors"),
    path("health", health.health, name="health"),
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
    path("metrics", health.metrics, name="metrics"),
    path("", include("accounts.urls")),
]
handler400 = "erp_site.home.bad_request"
handler500 = "erp_site.home.server_error"
