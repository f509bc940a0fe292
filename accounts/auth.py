"""The three ways into the API: Bearer JWT (programs of people), session cookie with CSRF (our pages), machine token.

`auth=PEOPLE` lets in people, `auth=ANYONE_SIGNED_IN` machines too. Who may do what is the role's business,
a machine's included: it acts as the service user that owns it.
"""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, Final

from allauth.idp.oidc.models import Token
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.decorators import decorate_view
from ninja.security import HttpBearer, SessionAuth
from ninja.utils import check_csrf

from erp_site.core.errors import Denied
from erp_site.core.problems import ApiError
from erp_site.core.ratelimit import count_account

from .models import User
from .roles import MACHINE_SCOPE, Permission
from .tokens import user_of_access_token


def check(user: User | AnonymousUser, permission: str) -> None:
    """Raises Denied (403), which names the permission, if the role of this user lacks it."""
    if not user.has_perm(permission):
        raise Denied(_("Your role does not allow this."), permission=permission)


def admit(request: HttpRequest, user: User) -> None:
    """Let this user in: what is asked as soon as we know who calls, before a word of the body is read.

    Raises:
        ApiError: 429, their account has called too often.
        Denied: their role may not do what the operation `needs`.
    """
    request.user = user
    count_account(request, user.pk)
    permission: Permission | None = getattr(request, "needs", None)
    if permission:
        check(user, permission)


def needs[F: Callable[..., Any]](permission: Permission) -> Callable[[F], F]:
    """Below the route of an operation of the API: whoever lacks `permission` is refused by `admit`."""

    def run_for(run: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(run)
        def asking(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            request.needs = permission  # type: ignore[attr-defined]
            return run(request, *args, **kwargs)

        return asking

    def decorate(endpoint: F) -> F:
        endpoint.permission = permission  # type: ignore[attr-defined]  # docs/roles.md is made from it
        return decorate_view(run_for)(endpoint)

    return decorate


class JWTAuth(HttpBearer):
    """`Authorization: Bearer` with the access token of `POST /auth/jwt/login`."""

    openapi_description = "The access token of `POST /api/v1/auth/jwt/login`"
    openapi_bearerFormat = "JWT"  # noqa: N815 -- ninja copies openapi_* into the document as they are

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        user = user_of_access_token(token)
        if user is not None:
            admit(request, user)
        return user


def csrf_refusal() -> str:
    """What to do about a CSRF token that is missing or wrong; most often it is the one from before a sign-in."""
    return _(
        "Send the CSRF token in X-CSRFToken. Signing in changes it: take it again from GET /api/v1/auth/csrf, or from "
        "the cookie."
    )


def enforce_csrf(request: HttpRequest) -> None:
    """ninja's views are exempt from Django's check; what a cookie authorises, or sets, must ask itself.

    Raises:
        ApiError: 403 `csrf_failed`.
    """
    if check_csrf(request):
        raise ApiError(403, csrf_refusal(), code="csrf_failed")


class CookieAuth(SessionAuth):
    """The session cookie; changes need the CSRF token in `X-CSRFToken`.

    CSRF is asked only of a call that is signed in by cookie and by nothing else: otherwise a Bearer
    call with a stray cookie would be refused before the other ways are tried.
    """

    openapi_description = "The session of the pages or of `POST /api/v1/auth/session/login`"

    def __call__(self, request: HttpRequest) -> Any:
        if "Authorization" in request.headers or not request.user.is_authenticated:
            return None
        enforce_csrf(request)
        admit(request, request.user)
        return request.user


class MachineAuth(HttpBearer):
    """`Authorization: Bearer` with a token of `POST /identity/o/api/token` (client credentials)."""

    openapi_description = "A machine's token: OAuth 2 client credentials at `/identity/o/api/token`"

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        found = (
            Token.objects.valid()
            .by_value(token)
            .filter(type=Token.Type.ACCESS_TOKEN)
            .select_related("client__owner")
            .first()
        )
        if found is None or found.client is None or MACHINE_SCOPE not in found.get_scopes():
            return None
        owner = found.client.owner
        if owner is None or not owner.is_active:
            return None
        admit(request, owner)
        return found


jwt: Final = JWTAuth()
cookie: Final = CookieAuth()
machine: Final = MachineAuth()
PEOPLE: Final[list[Callable[..., Any]]] = [jwt, cookie]
ANYONE_SIGNED_IN: Final[list[Callable[..., Any]]] = [jwt, cookie, machine]


class SignedIn(HttpRequest):
    """A request past authentication, as endpoints get it. For type checkers."""

    user: User


def require[Q: HttpRequest, **P, R](
    permission: Permission,
) -> Callable[[Callable[Concatenate[Q, P], R]], Callable[Concatenate[Q, P], R]]:
    """A page: refuse with `Denied` (403) unless the reader's role has `permission`."""

    def decorate(endpoint: Callable[Concatenate[Q, P], R]) -> Callable[Concatenate[Q, P], R]:
        @functools.wraps(endpoint)
        def checked(request: Q, /, *args: P.args, **kwargs: P.kwargs) -> R:
            check(request.user, permission)
            return endpoint(request, *args, **kwargs)

        return checked

    return decorate
