"""The JSON face of signing in and of users. Refusals are mapped once, in erp_site/api.py."""

import functools
from collections.abc import Callable
from typing import Any

from allauth.headless import app_settings as headless_settings
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from ninja import Query, Router, Status
from ninja.decorators import decorate_view

from erp_site.core.errors import Denied
from erp_site.core.filtering import apply
from erp_site.core.openapi import CREATED, CSRF_HEADER, problems
from erp_site.core.pagination import paginate, sort_choice
from erp_site.core.problems import ApiError, refusal
from erp_site.core.schemas import Page, QueryId

from . import auth, headless, queries, services
from .filters import UserFilter
from .models import User
from .roles import Permission
from .schemas import (
    CsrfOut,
    LoginIn,
    LoginOut,
    MeIn,
    MeOut,
    PasswordIn,
    RefreshIn,
    RegisterIn,
    SecondFactorIn,
    SignedInOut,
    TokenPairOut,
    TokenSecondFactorIn,
    UserIn,
    UserListParams,
    UserOut,
    UserPatch,
)

router = Router(tags=["Authentication"])


class RegistrationClosed(Denied):
    """REGISTRATION=closed: accounts are made by managers only."""

    code = "registration_closed"


def unless_closed(run: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse before the body is read: where nobody may register, it does not matter what they sent."""

    @functools.wraps(run)
    def asking(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if settings.REGISTRATION == "closed":
            message = _("Registration is closed: ask a manager for an account.")
            return refusal(RegistrationClosed(message))
        return run(request, *args, **kwargs)

    return asking


@router.post(
    "/register",
    auth=None,
    response={201: UserOut},
    operation_id="register",
    summary="Make an account",
    openapi_extra=problems(403, conflict="duplicate"),
)
@decorate_view(unless_closed)
def register(request: HttpRequest, body: RegisterIn) -> Status:
    """A viewer's account. Where registration needs approval it is inactive until a manager activates it;
    where it is closed the answer is 403."""
    headless.limit(request, "signup")
    user = services.register(
        email=body.email,
        name=body.name,
        password=body.password,
        active=settings.REGISTRATION == "open",
    )
    return Status(201, user)


def _present_pair(tokens: headless.Tokens) -> dict[str, Any]:
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires_in": headless_settings.JWT_ACCESS_TOKEN_EXPIRES_IN,
        "user": queries.get_user(tokens.user_id),
    }


@router.post(
    "/jwt/login",
    auth=None,
    response=LoginOut,
    operation_id="jwt_login",
    summary="Sign in for tokens",
    openapi_extra=problems(401),
)
@decorate_view(never_cache)
def jwt_login(request: HttpRequest, body: LoginIn) -> dict[str, Any]:
    """An access token for `Authorization: Bearer` and a refresh token. 401 `invalid_credentials`; with a second
    factor 401 `second_factor_required` with `session_token` for `/auth/jwt/mfa`."""
    return _present_pair(headless.token_login(request, email=body.email, password=body.password))


@router.post(
    "/jwt/mfa",
    auth=None,
    response=LoginOut,
    operation_id="jwt_second_factor",
    summary="Finish signing in with a code",
    openapi_extra=problems(401),
)
@decorate_view(never_cache)
def jwt_second_factor(request: HttpRequest, body: TokenSecondFactorIn) -> dict[str, Any]:
    """The code of the authenticator app, or a recovery code. 401 `invalid_code`."""
    tokens = headless.token_second_factor(request, session_token=body.session_token, code=body.code)
    return _present_pair(tokens)


@router.post(
    "/jwt/refresh",
    auth=None,
    response=TokenPairOut,
    operation_id="jwt_refresh",
    summary="Renew the tokens",
    openapi_extra=problems(401),
)
@decorate_view(never_cache)
def jwt_refresh(request: HttpRequest, body: RefreshIn) -> dict[str, Any]:
    """A new pair; the old refresh token is dead at once, and of two calls with it one wins.
    401 `invalid_refresh_token` if it is expired, used or revoked."""
    pair = headless_settings.TOKEN_STRATEGY.refresh_token(body.refresh_token)
    if pair is None:
        raise ApiError(
            401,
            _("The refresh token is expired, used or revoked."),
            code="invalid_refresh_token",
        )
    access_token, refresh_token = pair
    return {
        "access_token": access_token,
        "refresh_token": refresh_token,
        "expires_in": headless_settings.JWT_ACCESS_TOKEN_EXPIRES_IN,
    }


@router.post(
    "/jwt/logout",
    auth=auth.jwt,
    response={204: None},
    operation_id="jwt_logout",
    summary="Revoke the tokens",
)
def jwt_logout(request: HttpRequest) -> Status:
    """Both tokens of the pair are dead at once."""
    headless.token_logout(request)
    return Status(204, None)


@router.get(
    "/csrf",
    auth=None,
    response=CsrfOut,
    operation_id="get_csrf",
    summary="Get a CSRF token",
)
@decorate_view(never_cache)
def get_csrf(request: HttpRequest) -> dict[str, str]:
    """Sets the cookie and answers the token. It changes when you sign in: get a new one then."""
    return {"csrf_token": get_token(request)}


@router.post(
    "/session/login",
    auth=None,
    response=SignedInOut,
    operation_id="session_login",
    summary="Sign in by cookie",
    openapi_extra={**problems(401, 403), "parameters": [CSRF_HEADER]},
)
@decorate_view(never_cache)
def session_login(request: HttpRequest, body: LoginIn) -> dict[str, Any]:
    """Needs `X-CSRFToken` (403 without). Signing in again replaces the session; a wrong password keeps the old one.
    Signing in changes the CSRF token: take it again from `/auth/csrf`, or from the cookie, for what follows."""
    auth.enforce_csrf(request)
    headless.session_login(request, email=body.email, password=body.password)
    return {"user": request.user}


@router.post(
    "/session/mfa",
    auth=None,
    response=SignedInOut,
    operation_id="session_second_factor",
    summary="Finish signing in by cookie with a code",
    openapi_extra={**problems(401, 403), "parameters": [CSRF_HEADER]},
)
@decorate_view(never_cache)
def session_second_factor(request: HttpRequest, body: SecondFactorIn) -> dict[str, Any]:
    """The code of the authenticator app, or a recovery code. 401 `invalid_code`.
    Signing in changes the CSRF token: take it again from `/auth/csrf`, or from the cookie, for what follows."""
    auth.enforce_csrf(request)
    headless.session_second_factor(request, code=body.code)
    return {"user": request.user}


@router.post(
    "/session/logout",
    auth=auth.cookie,
    response={204: None},
    operation_id="session_logout",
    summary="End the cookie session",
)
def session_logout(request: HttpRequest) -> Status:
    """Needs `X-CSRFToken`, like every change by cookie."""
    headless.session_logout(request)
    return Status(204, None)


def _present_me(user: User) -> dict[str, Any]:
    shown = UserOut.model_validate(user).model_dump()
    return {**shown, "permissions": sorted(user.get_all_permissions())}


@router.get(
    "/me",
    auth=auth.ANYONE_SIGNED_IN,
    response=MeOut,
    operation_id="get_me",
    summary="Who am I",
)
def get_me(request: auth.SignedIn) -> dict[str, Any]:
    """The signed-in user, and everything their role allows."""
    return _present_me(request.user)


@router.patch(
    "/me",
    auth=auth.PEOPLE,
    response=MeOut,
    operation_id="update_me",
    summary="Change my name or language",
)
def update_me(request: auth.SignedIn, body: MeIn) -> dict[str, Any]:
    """The language is that of the pages and of e-mails, its tag in any case (`pt-BR` too); the API always speaks in its
    own names."""
    user = services.update_me(actor=request.user, name=body.name, language=body.language)
    return _present_me(user)


@router.post(
    "/password",
    auth=auth.PEOPLE,
    response={204: None},
    operation_id="change_password",
    summary="Change my password",
)
def change_password(request: auth.SignedIn, body: PasswordIn) -> Status:
    """Every session and token of yours ends, the present one too: sign in again."""
    headless.limit(request, "change_password")
    services.change_password(
        actor=request.user,
        current_password=body.current_password,
        new_password=body.new_password,
    )
    return Status(204, None)


@router.get(
    "/users",
    auth=auth.ANYONE_SIGNED_IN,
    response=Page[UserOut],
    operation_id="list_users",
    summary="List users",
    tags=["Users"],
)
@auth.needs(Permission.VIEW_USERS)
def list_users(
    request: HttpRequest, response: HttpResponse, params: Query[UserListParams]
) -> dict[str, Any]:
    """By name. Filters combine."""
    users = apply(UserFilter, request.GET, queries.users())
    sort = sort_choice(params.sort, queries.SORTS, "name")
    return paginate(request, response, users, params=params, sort=sort)


@router.post(
    "/users",
    auth=auth.ANYONE_SIGNED_IN,
    response={201: UserOut},
    operation_id="create_user",
    summary="Make an account for somebody",
    tags=["Users"],
    openapi_extra=problems(conflict="duplicate", answers={201: CREATED}),
)
@auth.needs(Permission.MANAGE_USERS)
def create_user(request: auth.SignedIn, response: HttpResponse, body: UserIn) -> Status:
    """Managers grant roles below administrator, administrators all."""
    user = services.create_user(
        actor=request.user,
        email=body.email,
        name=body.name,
        role=body.role,
        password=body.password,
        discount_limit=body.discount_limit,
    )
    response["Location"] = reverse("api-v1:get_user", args=[user.pk])
    return Status(201, user)


@router.get(
    "/users/{user_id}",
    auth=auth.ANYONE_SIGNED_IN,
    response=UserOut,
    operation_id="get_user",
    summary="Get a user",
    tags=["Users"],
    openapi_extra=problems(404),
)
@auth.needs(Permission.VIEW_USERS)
def get_user(request: HttpRequest, user_id: QueryId) -> User:
    """One user, active or not."""
    return queries.get_user(user_id)


@router.delete(
    "/users/{user_id}/second-factors",
    auth=auth.ANYONE_SIGNED_IN,
    response={204: None},
    operation_id="remove_second_factors",
    summary="Remove somebody's second factors",
    tags=["Users"],
    openapi_extra=problems(404),
)
@auth.needs(Permission.MANAGE_USERS)
def remove_second_factors(request: auth.SignedIn, user_id: QueryId) -> Status:
    """For those who lost their phone and their recovery codes: the password alone signs in again, and they are
    signed out everywhere. One's own are removed on one's own page (403 `own_account`)."""
    services.remove_second_factors(actor=request.user, user_id=user_id)
    return Status(204, None)


@router.patch(
    "/users/{user_id}",
    auth=auth.ANYONE_SIGNED_IN,
    response=UserOut,
    operation_id="update_user",
    summary="Change a user",
    tags=["Users"],
    openapi_extra=problems(404),
)
@auth.needs(Permission.MANAGE_USERS)
def update_user(request: auth.SignedIn, user_id: QueryId, body: UserPatch) -> User:
    """Users are deactivated, never deleted: that, a new role and a new password take effect on their next request.
    Nobody changes their own role or discount limit, or deactivates themselves (403 `own_account`)."""
    return services.update_user(
        actor=request.user,
        user_id=user_id,
        name=body.name,
        role=body.role,
        is_active=body.is_active,
        password=body.password,
        discount_limit=body.discount_limit,
    )
