from django.urls import path

from . import views

app_name = "catalog"
urlpatterns = [
    path("", views.product_list, name="list"),
    path("new", views.product_new, name="new"),
    path("adjust", views.stock_adjust, name="adjust"),
    path("undo", views.stock_undo, name="undo"),
    path("<id:product_id>", views.product_detail, name="detail"),
    path("<id:product_id>/edit", views.product_edit, name="edit"),
    path("<id:product_id>/activity", views.product_activity, name="activity"),
    path("<id:product_id>/delete", views.product_delete, name="delete"),
]
