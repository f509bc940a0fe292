from django.urls import path

from . import views

app_name = "orders"
urlpatterns = [
    path("", views.order_list, name="list"),
    path("new", views.order_new, name="new"),
    path("new/products", views.product_options, name="product_options"),
    path("new/customers", views.customer_options, name="customer_options"),
    path("bulk", views.order_bulk, name="bulk"),
    path("print/<str:document>", views.order_print, name="print_many"),
    path("views", views.view_save, name="view_save"),
    path("views/<id:view_id>/delete", views.view_delete, name="view_delete"),
    path("<id:order_id>", views.order_detail, name="detail"),
    path("<id:order_id>/amend", views.order_amend, name="amend"),
    path("<id:order_id>/status", views.order_status, name="status"),
    path("<id:order_id>/notes", views.order_note, name="note"),
    path("<id:order_id>/print/<str:document>", views.order_print, name="print"),
]
