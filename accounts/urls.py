"""Signing in: pages, second factors, sessions, the people who do, and the token endpoint for machines.

allauth's pages are listed one by one: its e-mail management and its other OAuth endpoints would be doors
beside our services.
"""

from allauth.account import views as account
from django.urls import include, path, re_path

from . import views

users = [
    path("", views.user_list, name="list"),
    path("new", views.user_new, name="new"),
    path("<id:user_id>", views.user_detail, name="detail"),
    path("<id:user_id>/activity", views.user_activity, name="activity"),
    path("<id:user_id>/reset", views.user_reset, name="reset"),
    path("<id:user_id>/password", views.user_password, name="password"),
    path("<id:user_id>/second-step", views.user_second_step, name="second_step"),
]
urlpatterns = [
    path("accounts/login/", account.login, name="account_login"),
    path("accounts/logout/", account.logout, name="account_logout"),
    path("accounts/inactive/", account.account_inactive, name="account_inactive"),
    path("accounts/signup/", views.sign_up, name="account_signup"),
    path("accounts/signup/done/", views.sign_up_done, name="account_signup_done"),
    path("accounts/profile/", views.profile, name="account_profile"),
    path("accounts/language/", views.set_language, name="account_language"),
    path("accounts/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("accounts/password/change/", account.password_change, name="account_change_password"),
    path("accounts/password/set/", account.password_set, name="account_set_password"),
    path("accounts/password/reset/", account.password_reset, name="account_reset_password"),
    path(
        "accounts/password/reset/done/",
        account.password_reset_done,
        name="account_reset_password_done",
    ),
    re_path(
        r"^accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "accounts/password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("accounts/signed-in/", views.signed_in, name="account_signed_in"),
    path("users/", include((users, "users"))),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/sessions/", include("allauth.usersessions.urls")),
    path("identity/o/api/token", views.machine_token, name="machine_token"),
]
