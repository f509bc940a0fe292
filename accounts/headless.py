"""The one seam to allauth: its headless API, dispatched to in process.

So its sign-in limits, second factors, checks of activity and session bookkeeping apply to our endpoints.
It is reachable from nowhere else: this module is the URLconf of its own, not mounted on the site.
"""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.headless.internal.sessionkit import new_session
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.core.cache import cache
from django.http import HttpRequest
from django.urls import include, path, resolve, reverse
from django.utils.translation import gettext as _

from erp_site.core.problems import ApiError

urlpatterns = [path("", include("allauth.headless.urls"))]

ACCOUNT: Final = "allauth.account"


@dataclass(frozen=True, slots=True)
class Tokens:
    """A new pair, and whose it is."""

    access_token: str
    refresh_token: str
    user_id: int


def token_login(request: HttpRequest, *, email: str, password: str) -> Tokens:
    """Sign in for a pair of tokens.

    Raises:
        ApiError: 401 `invalid_credentials`, `account_inactive` or `second_factor_required`; 429 `rate_limited`.
    """
    with _as_app(request):
        answer = _dispatch(request, "app:account:login", {"email": email, "password": password})
    return _tokens(answer)


def token_second_factor(request: HttpRequest, *, session_token: str, code: str) -> Tokens:
    """Finish a sign-in that waits for a code (authenticator app or recovery code).

    Raises:
        ApiError: 401 `invalid_code` or `no_sign_in_pending`; 429 `rate_limited`.
    """
    with _as_app(request, HTTP_X_SESSION_TOKEN=session_token):
        answer = _dispatch(request, "app:mfa:authenticate", {"code": code})
    return _tokens(answer)


def token_logout(request: HttpRequest) -> None:
    """End the session behind the request's access token: the whole pair is dead."""
    with _as_app(request, HTTP_AUTHORIZATION=request.META["HTTP_AUTHORIZATION"]):
        _dispatch(request, "app:account:current_session", method="DELETE")


def session_login(request: HttpRequest, *, email: str, password: str) -> None:
    """Sign in by cookie. A session there is replaced if the password is right, and kept if it is wrong.

    Raises:
        ApiError: as `token_login`.
    """
    kept = request.session, request.user
    request.session, request.user = new_session(), AnonymousUser()
    answer = _dispatch(request, "browser:account:login", {"email": email, "password": password})
    if not (answer.is_authenticated or answer.pending):
        request.session, request.user = kept
    else:
        kept[0].flush()
    _finish(answer)


def session_second_factor(request: HttpRequest, *, code: str) -> None:
    """Finish a cookie sign-in that waits for a code. Raises ApiError as `token_second_factor`."""
    _finish(_dispatch(request, "browser:mfa:authenticate", {"code": code}))


def session_logout(request: HttpRequest) -> None:
    """End the session of the request's cookie."""
    _dispatch(request, "browser:account:current_session", method="DELETE")


def limit(request: HttpRequest, action: str) -> None:
    """Count one more `action` (a name in ACCOUNT_RATE_LIMITS); ApiError 429 beyond the limit."""
    if ratelimit.consume(request, app=ACCOUNT, action=action) is None:
        raise _too_many(request, action)


def seconds_left(request: HttpRequest, action: str, *, key: str | None = None) -> int:
    """In how many seconds `action`, which was refused just now, is allowed again.

    allauth does not say, but keeps the times of what it counted. Without its `key` a limit may last for its whole span.
    """
    rates = ratelimit.get_rates(app=ACCOUNT, action=action)
    now = time.time()
    waits = []
    for rate in rates:
        if rate.per == "key" and key is None:
            continue
        name = ratelimit.get_cache_key(request, app=ACCOUNT, action=action, rate=rate, key=key)
        allowed, history = ratelimit.apply_rate(cache.get(name, []), now, rate, dry_run=True)
        if not allowed:
            waits.append(history[-1] + rate.duration - now)
    if not waits and key is None:
        waits = [rate.duration for rate in rates if rate.per == "key"]
    return max(1, math.ceil(max(waits, default=0)))


@dataclass(frozen=True, slots=True)
class _Answer:
    request: HttpRequest
    sent: dict[str, Any]
    view: str
    status: int
    payload: dict[str, Any]

    @property
    def is_authenticated(self) -> bool:
        return self.status == 200 and bool(self.payload.get("meta", {}).get("is_authenticated"))

    @property
    def pending(self) -> dict[str, Any] | None:
        """The step that is still missing, if the ones before it were right."""
        flows = self.payload.get("data", {}).get("flows", [])
        return next((flow for flow in flows if flow.get("is_pending")), None)

    @property
    def is_refused_login(self) -> bool:
        """The password was right (a wrong one is 400) and no step is missing: the account is not active."""
        return self.status == 401 and self.view.endswith(":account:login")

    @property
    def codes(self) -> set[str]:
        return {error.get("code", "") for error in self.payload.get("errors", [])}


@contextmanager
def _as_app(request: HttpRequest, **headers: str) -> Iterator[None]:
    """The request with exactly these credentials: a stray token must not decide whose session is used."""
    kept, session, user = request.META, request.session, request.user
    others = {"HTTP_AUTHORIZATION", "HTTP_X_SESSION_TOKEN"}
    request.META = {key: value for key, value in kept.items() if key not in others} | headers
    request.__dict__.pop("headers", None)  # cached by Django
    try:
        yield
    finally:
        request.META = kept
        request.session, request.user = (
            session,
            user,
        )  # allauth puts them back only if nothing goes wrong
        request.__dict__.pop("headers", None)


def _dispatch(
    request: HttpRequest, name: str, body: dict[str, Any] | None = None, method: str = "POST"
) -> _Answer:
    """Call allauth's view `name`, such as "app:account:login", with this JSON body."""
    match = resolve(reverse(f"headless:{name}", urlconf=__name__), urlconf=__name__)
    kept = request.method, request.body
    sent = body or {}
    request.method, request._body = method, json.dumps(sent).encode()
    try:
        response = match.func(request, *match.args, **match.kwargs)
    except ImmediateHttpResponse as refused:
        response = refused.response
    except UpdateError:
        # Deactivated, or given a new password, since the session was made: its row is gone already. (Of a database
        # that is busy our sessions say so.)
        raise ApiError(401, _("You were signed out meanwhile; sign in again.")) from None
    finally:
        request.method, request._body = kept
    return _Answer(request, sent, name, response.status_code, json.loads(response.content or b"{}"))


def _tokens(answer: _Answer) -> Tokens:
    payload = _finish(answer)
    meta = payload["meta"]
    return Tokens(meta["access_token"], meta["refresh_token"], int(payload["data"]["user"]["id"]))


def _finish(answer: _Answer) -> dict[str, Any]:
    """The payload of a finished sign-in; everything else is refused in our words."""
    if answer.is_authenticated:
        return answer.payload
    if answer.status == 429:
        raise _too_many(answer.request, "login")
    if "too_many_login_attempts" in answer.codes:  # a form error to allauth, 400
        raise _too_many(answer.request, "login_failed", email=answer.sent.get("email"))
    if pending := answer.pending:
        facts = {"flow": pending["id"], "types": pending.get("types", [])}
        if token := answer.payload.get("meta", {}).get("session_token"):
            facts["session_token"] = token
        raise ApiError(401, _("A second factor is needed."), code="second_factor_required", **facts)
    if "incorrect_code" in answer.codes:
        raise ApiError(401, _("The code is wrong or was used before."), code="invalid_code")
    if answer.status == 400:
        raise ApiError(
            401, _("The e-mail address or the password is wrong."), code="invalid_credentials"
        )
    if answer.is_refused_login:
        raise ApiError(401, _("This account is not active."), code="account_inactive")
    raise ApiError(401, _("No sign-in is waiting for this step."), code="no_sign_in_pending")


def _too_many(request: HttpRequest, action: str, *, email: str | None = None) -> ApiError:
    key = email and get_adapter()._get_login_attempts_cache_key(request, email=email)
    return ApiError(
        429,
        _("Too many attempts; wait and try again."),
        code="rate_limited",
        headers={"Retry-After": str(seconds_left(request, action, key=key))},
    )
