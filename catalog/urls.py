from django.urls import path

from . import views

app_name = "catalog"
urlpatterns = [
    path("", views.product_list, name="list"),
    path("new", views.product_new, name="new"),
    path("adjust", views.stock_adjust, name="adjust"),
    path("undo", views.stock_undo, name="undo"),
    path("price-lists", views.price_list_list, name="price_lists"),
    path("price-lists/new", views.price_list_new, name="price_list_new"),
    path("price-lists/<id:price_list_id>", views.price_list_detail, name="price_list"),
    path("price-lists/<id:price_list_id>/edit", views.price_list_edit, name="price_list_edit"),
    path(
        "price-lists/<id:price_list_id>/prices",
        views.price_list_prices,
        name="price_list_prices",
    ),
    path("price-lists/<id:price_list_id>/copy", views.price_list_copy, name="price_list_copy"),
    path(
        "price-lists/<id:price_list_id>/reprice",
        views.price_list_reprice,
        name="price_list_reprice",
    ),
    path(
        "price-lists/<id:price_list_id>/reprice/undo",
        views.price_list_reprice_undo,
        name="price_list_reprice_undo",
    ),
    path(
        "price-lists/<id:price_list_id>/delete",
        views.price_list_delete,
        name="price_list_delete",
    ),
    path("<id:product_id>", views.product_detail, name="detail"),
    path("<id:product_id>/edit", views.product_edit, name="edit"),
    path("<id:product_id>/activity", views.product_activity, name="activity"),
    path("<id:product_id>/delete", views.product_delete, name="delete"),
]
