"""Signing in: the pages of allauth, and the token endpoint for machines."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("", include("allauth.idp.urls")),
    path("_allauth/", include("allauth.headless.urls")),
]
