from django.urls import path

from . import views

app_name = "customers"
urlpatterns = [
    path("", views.customer_list, name="list"),
    path("new", views.customer_new, name="new"),
    path("check", views.tax_id_check, name="check"),
    path("price-lists/<id:price_list_id>", views.price_list_customers, name="price_list"),
    path("<id:customer_id>", views.customer_detail, name="detail"),
    path("<id:customer_id>/edit", views.customer_edit, name="edit"),
    path("<id:customer_id>/activity", views.customer_activity, name="activity"),
    path("<id:customer_id>/delete", views.customer_delete, name="delete"),
]
