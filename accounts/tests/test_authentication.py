"""Signing in and out: tokens, cookies, second factors."""

import base64
import time
from collections.abc import Callable
from typing import Any

import jwt as pyjwt
import pytest
from allauth.account import signals as allauth_signals
from allauth.idp.oidc.models import Token
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.contrib.auth import signals as django_signals
from django.contrib.sessions.models import Session
from django.dispatch import Signal
from django.test import Client

from accounts.models import User
from accounts.services import register
from erp_site.api import api as the_api
from erp_site.core.models import Event
from erp_site.testing import PASSWORD, Answer, Api, code_of, second_factor

pytestmark = pytest.mark.django_db
type MakeUser = Callable[..., User]


@pytest.fixture
def strict() -> Api:
    """Nobody yet, with CSRF enforced as for real clients."""
    return Api(Client(enforce_csrf_checks=True, raise_request_exception=False))


def login(api: Api, email: str, password: str = PASSWORD, **kwargs: Any) -> Answer:
    return api.post("/auth/jwt/login", {"email": email, "password": password}, **kwargs)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def me(api: Api, token: str) -> Answer:
    return api("get", "/auth/me", headers=bearer(token))


def csrf(api: Api) -> dict[str, str]:
    return {"X-CSRFToken": api.get("/auth/csrf").body["csrf_token"]}


def session_login(api: Api, email: str, password: str = PASSWORD) -> Answer:
    body = {"email": email, "password": password}
    return api.post("/auth/session/login", body, headers=csrf(api))


class TestTokens:
    def test_login_answers_a_pair_and_the_user(self, strict: Api, operator: User) -> None:
        answer = login(strict, operator.email.upper())
        assert answer.status == 200
        body = answer.body
        assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in", "user"}
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
        assert set(body["user"]) == {
            "id", "email", "name", "role", "is_active", "language", "last_login", "created_at",
        }  # fmt: skip
        assert (body["user"]["id"], body["user"]["role"]) == (operator.pk, "operator")
        assert not strict.client.cookies
        assert "no-store" in answer.headers["Cache-Control"]

    def test_the_access_token_carries_the_role_and_opens_the_api(
        self, strict: Api, operator: User
    ) -> None:
        token = login(strict, operator.email).body["access_token"]
        assert pyjwt.decode(token, options={"verify_signature": False})["role"] == "operator"
        answer = me(strict, token)
        assert (answer.status, answer.body["email"]) == (200, operator.email)
        assert answer.body["permissions"] == sorted(operator.get_all_permissions())

    @pytest.mark.parametrize(
        ("email", "password"),
        [
            ("viewer0@example.com", "wrong"),
            ("nobody@example.com", PASSWORD),
            ("not an address", "x"),
        ],
    )
    def test_wrong_credentials_are_401_and_say_no_more(
        self, strict: Api, viewer: User, email: str, password: str
    ) -> None:
        answer = login(strict, email, password)
        assert (answer.status, answer.code) == (401, "invalid_credentials")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    def test_refresh_gives_a_new_pair_and_kills_the_old_one(
        self, strict: Api, viewer: User
    ) -> None:
        first = login(strict, viewer.email).body
        answer = strict.post("/auth/jwt/refresh", {"refresh_token": first["refresh_token"]})
        assert answer.status == 200
        second = answer.body
        assert set(second) == {"access_token", "refresh_token", "token_type", "expires_in"}
        assert second["refresh_token"] != first["refresh_token"]
        assert me(strict, second["access_token"]).status == 200
        again = strict.post("/auth/jwt/refresh", {"refresh_token": first["refresh_token"]})
        assert (again.status, again.code) == (401, "invalid_refresh_token")

    def test_access_and_refresh_tokens_do_not_stand_in_for_each_other(
        self, strict: Api, viewer: User
    ) -> None:
        pair = login(strict, viewer.email).body
        assert me(strict, pair["refresh_token"]).status == 401
        answer = strict.post("/auth/jwt/refresh", {"refresh_token": pair["access_token"]})
        assert (answer.status, answer.code) == (401, "invalid_refresh_token")

    @pytest.mark.parametrize("algorithm", [None, "HS256"])
    def test_a_forged_token_is_401(self, strict: Api, viewer: User, algorithm: str | None) -> None:
        token = login(strict, viewer.email).body["access_token"]
        claims = pyjwt.decode(token, options={"verify_signature": False})
        key = "k" * 64 if algorithm else ""
        forged = pyjwt.encode(claims, key, algorithm=algorithm)
        assert me(strict, forged).status == 401

    def test_an_expired_token_is_401(self, strict: Api, viewer: User, settings: Any) -> None:
        settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = -1
        settings.HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = -1
        pair = login(strict, viewer.email).body
        assert me(strict, pair["access_token"]).status == 401
        answer = strict.post("/auth/jwt/refresh", {"refresh_token": pair["refresh_token"]})
        assert answer.code == "invalid_refresh_token"

    def test_a_token_in_use_ends_with_its_five_minutes(
        self, strict: Api, viewer: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its signature is not verified a second time; its end is."""
        token = login(strict, viewer.email).body["access_token"]
        end = time.time() + 300
        monkeypatch.setattr(time, "time", lambda: end - 2)
        assert me(strict, token).status == 200
        monkeypatch.setattr(time, "time", lambda: end + 1)
        assert me(strict, token).status == 401

    def test_logout_kills_the_pair(self, strict: Api, viewer: User) -> None:
        pair = login(strict, viewer.email).body
        answer = strict("post", "/auth/jwt/logout", headers=bearer(pair["access_token"]))
        assert answer.status == 204
        assert me(strict, pair["access_token"]).status == 401
        answer = strict.post("/auth/jwt/refresh", {"refresh_token": pair["refresh_token"]})
        assert answer.status == 401
        assert not Session.objects.exists()

    def test_logout_ends_one_session_of_many(self, strict: Api, viewer: User) -> None:
        here, there = (login(strict, viewer.email).body["access_token"] for _ in range(2))
        strict("post", "/auth/jwt/logout", headers=bearer(here))
        assert (me(strict, here).status, me(strict, there).status) == (401, 200)

    def test_signing_in_ignores_tokens_sent_along(
        self, strict: Api, viewer: User, operator: User
    ) -> None:
        token = login(strict, viewer.email).body["access_token"]
        answer = login(strict, operator.email, headers=bearer(token))
        assert answer.status == 200
        assert me(strict, answer.body["access_token"]).body["email"] == operator.email
        assert me(strict, token).body["email"] == viewer.email

    def test_a_bad_bearer_is_not_saved_by_a_good_cookie(self, strict: Api, viewer: User) -> None:
        session_login(strict, viewer.email)
        assert strict.get("/auth/me").status == 200
        assert me(strict, "bad").status == 401

    @pytest.mark.parametrize(
        "scheme", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer é.ü.ö", "x" * 5000]
    )
    def test_an_odd_authorization_header_is_401(
        self, strict: Api, viewer: User, scheme: str
    ) -> None:
        assert strict("get", "/auth/me", headers={"Authorization": scheme}).status == 401

    def test_ended_sessions_leave_nothing_behind(self, strict: Api, viewer: User) -> None:
        for _ in range(3):
            token = login(strict, viewer.email).body["access_token"]
            strict("post", "/auth/jwt/logout", headers=bearer(token))
        login(strict, viewer.email)
        assert (Session.objects.count(), UserSession.objects.count()) == (1, 1)


class TestSecondFactor:
    def test_a_password_alone_gives_no_token(self, strict: Api, viewer: User) -> None:
        second_factor(viewer)
        answer = login(strict, viewer.email)
        assert (answer.status, answer.code) == (401, "second_factor_required")
        assert (answer.body["flow"], answer.body["types"]) == ("mfa_authenticate", ["totp"])
        assert (
            strict(
                "get", "/auth/me", headers={"X-Session-Token": answer.body["session_token"]}
            ).status
            == 401
        )
        strict.client.cookies["sessionid"] = answer.body["session_token"]
        assert strict.get("/auth/me").status == 401

    def test_the_code_finishes_the_sign_in(self, strict: Api, viewer: User) -> None:
        secret = second_factor(viewer)
        pending = login(strict, viewer.email).body["session_token"]
        answer = strict.post("/auth/jwt/mfa", {"session_token": pending, "code": code_of(secret)})
        assert (answer.status, answer.body["user"]["email"]) == (200, viewer.email)
        assert me(strict, answer.body["access_token"]).status == 200

    def test_a_recovery_code_finishes_it_too_but_once(self, strict: Api, viewer: User) -> None:
        second_factor(viewer)
        authenticator = RecoveryCodes.activate(viewer)
        code = authenticator.get_unused_codes()[0]
        statuses = []
        for _ in range(2):
            pending = login(strict, viewer.email).body["session_token"]
            body = {"session_token": pending, "code": code}
            statuses.append(strict.post("/auth/jwt/mfa", body).status)
        assert statuses == [200, 401]

    def test_a_wrong_code_is_401_and_may_be_tried_again(self, strict: Api, viewer: User) -> None:
        secret = second_factor(viewer)
        pending = login(strict, viewer.email).body["session_token"]
        wrong = strict.post("/auth/jwt/mfa", {"session_token": pending, "code": "000000"})
        assert (wrong.status, wrong.code) == (401, "invalid_code")
        right = strict.post("/auth/jwt/mfa", {"session_token": pending, "code": code_of(secret)})
        assert right.status == 200

    @pytest.mark.parametrize("token", ["nonsense", "é" * 20])
    def test_a_code_without_a_pending_sign_in_is_401(self, strict: Api, token: str) -> None:
        answer = strict.post("/auth/jwt/mfa", {"session_token": token, "code": "123456"})
        assert (answer.status, answer.code) == (401, "no_sign_in_pending")

    def test_the_cookie_way_asks_for_it_as_well(self, strict: Api, viewer: User) -> None:
        secret = second_factor(viewer)
        answer = session_login(strict, viewer.email)
        assert (answer.status, answer.code) == (401, "second_factor_required")
        assert "session_token" not in answer.body
        assert strict.get("/auth/me").status == 401
        answer = strict.post("/auth/session/mfa", {"code": code_of(secret)}, headers=csrf(strict))
        assert (answer.status, answer.body["user"]["email"]) == (200, viewer.email)
        assert strict.get("/auth/me").status == 200


class TestCookieSession:
    def test_login_without_a_csrf_token_is_403(self, strict: Api, viewer: User) -> None:
        body = {"email": viewer.email, "password": PASSWORD}
        answer = strict.post("/auth/session/login", body)
        assert (answer.status, answer.code) == (403, "csrf_failed")
        assert not Session.objects.exists()

    def test_login_sets_the_cookie_and_answers_the_user(self, strict: Api, viewer: User) -> None:
        answer = session_login(strict, viewer.email)
        assert (answer.status, set(answer.body)) == (200, {"user"})
        assert answer.body["user"]["email"] == viewer.email
        assert strict.client.cookies["sessionid"]["httponly"] is True
        assert strict.get("/auth/me").body["email"] == viewer.email

    def test_changes_need_the_csrf_token_of_the_new_session(
        self, strict: Api, viewer: User
    ) -> None:
        before = csrf(strict)
        session_login(strict, viewer.email)
        body = {"name": "Somebody Else"}
        assert strict.patch("/auth/me", body).code == "csrf_failed"
        assert strict.patch("/auth/me", body, headers=before).code == "csrf_failed"
        evil = {**csrf(strict), "Origin": "https://evil.example"}
        assert strict.patch("/auth/me", body, headers=evil).code == "csrf_failed"
        viewer.refresh_from_db()
        assert viewer.name != "Somebody Else"
        assert strict.patch("/auth/me", body, headers=csrf(strict)).status == 200

    def test_whoever_sends_the_token_of_before_is_told_that_signing_in_changed_it(
        self, strict: Api, viewer: User
    ) -> None:
        before = csrf(strict)
        session_login(strict, viewer.email)
        answer = strict.patch("/auth/me", {"name": "Somebody Else"}, headers=before)
        assert (answer.status, answer.code) == (403, "csrf_failed")
        assert answer.body["detail"] == (
            "Send the CSRF token in X-CSRFToken. Signing in changes it: "
            "take it again from GET /api/v1/auth/csrf, or from the cookie."
        )
        # As it says: from the one place or from the other.
        fresh = {"X-CSRFToken": strict.client.cookies["csrftoken"].value}
        for headers in (csrf(strict), fresh):
            assert strict.patch("/auth/me", {"name": "Ana"}, headers=headers).status == 200

    @pytest.mark.parametrize("name", ["session_login", "session_second_factor"])
    def test_the_document_says_so_where_one_signs_in(self, name: str) -> None:
        paths = the_api.get_openapi_schema()["paths"]
        operations = {
            each["operationId"]: each for path in paths.values() for each in path.values()
        }
        assert "Signing in changes the CSRF token" in operations[name]["description"]

    def test_a_bearer_call_with_a_cookie_beside_it_needs_no_csrf_token(
        self, strict: Api, viewer: User
    ) -> None:
        session_login(strict, viewer.email)
        token = login(strict, viewer.email).body["access_token"]
        assert strict.patch("/auth/me", {"name": "New"}, headers=bearer(token)).status == 200

    def test_logout_needs_the_csrf_token_and_ends_the_session(
        self, strict: Api, viewer: User
    ) -> None:
        session_login(strict, viewer.email)
        assert strict("post", "/auth/session/logout").code == "csrf_failed"
        assert strict("post", "/auth/session/logout", headers=csrf(strict)).status == 204
        assert strict.get("/auth/me").status == 401
        assert not Session.objects.exists()

    def test_signing_in_again_replaces_the_session(
        self, strict: Api, viewer: User, operator: User
    ) -> None:
        session_login(strict, viewer.email)
        first = strict.client.cookies["sessionid"].value
        assert session_login(strict, operator.email).status == 200
        assert strict.get("/auth/me").body["email"] == operator.email
        assert strict.client.cookies["sessionid"].value != first
        assert not Session.objects.filter(session_key=first).exists()

    def test_a_wrong_password_keeps_the_session_there_was(
        self, strict: Api, viewer: User, operator: User
    ) -> None:
        session_login(strict, viewer.email)
        first = strict.client.cookies["sessionid"].value
        assert session_login(strict, operator.email, "wrong").code == "invalid_credentials"
        assert strict.client.cookies["sessionid"].value == first
        assert strict.get("/auth/me").body["email"] == viewer.email


class TestLostRights:
    """What is taken away is gone on the next request, tokens included."""

    @pytest.fixture
    def pair(self, strict: Api, viewer: User) -> dict[str, str]:
        return login(strict, viewer.email).body

    def test_a_deactivated_user_is_out_and_stays_out_when_activated_again(
        self, strict: Api, api: Api, viewer: User, pair: dict[str, str]
    ) -> None:
        assert api.patch(f"/auth/users/{viewer.pk}", {"is_active": False}).status == 200
        assert me(strict, pair["access_token"]).status == 401
        refresh = strict.post("/auth/jwt/refresh", {"refresh_token": pair["refresh_token"]})
        assert refresh.status == 401
        answer = login(strict, viewer.email)
        assert (answer.status, answer.code) == (401, "account_inactive")
        assert login(strict, viewer.email, "wrong").code == "invalid_credentials"
        api.patch(f"/auth/users/{viewer.pk}", {"is_active": True})
        assert me(strict, pair["access_token"]).status == 401
        assert login(strict, viewer.email).status == 200

    @pytest.mark.parametrize(
        ("moment", "code"),
        [
            # After the password was checked, before the session is noted; and after that, before it is saved again.
            (django_signals.user_logged_in, "account_inactive"),
            (allauth_signals.user_logged_in, "unauthenticated"),
        ],
    )
    @pytest.mark.parametrize("sign_in", [login, session_login])
    def test_who_is_deactivated_while_signing_in_is_not_in_when_activated_again(
        self, strict: Api, api: Api, viewer: User, sign_in: Any, moment: Signal, code: str
    ) -> None:
        if sign_in is session_login and moment is allauth_signals.user_logged_in:
            code = "malformed"  # Django's own answer to a cookie's session that is gone

        def deactivate(**_: Any) -> None:
            api.patch(f"/auth/users/{viewer.pk}", {"is_active": False})

        moment.connect(deactivate)
        try:
            answer = sign_in(strict, viewer.email)
        finally:
            moment.disconnect(deactivate)
        api.patch(f"/auth/users/{viewer.pk}", {"is_active": True})
        assert (answer.status < 500, answer.code) == (True, code)
        assert strict.get("/auth/me").status == 401
        assert not UserSession.objects.filter(user=viewer).exists()
        living = [session.get_decoded() for session in Session.objects.all()]
        assert not [s for s in living if s.get("_auth_user_id") == str(viewer.pk)]

    def test_a_password_change_kills_every_token_and_session(
        self, strict: Api, api_as: Callable[[User], Api], viewer: User, pair: dict[str, str]
    ) -> None:
        elsewhere = api_as(viewer)
        body = {"current_password": PASSWORD, "new_password": "another-password-1"}
        answer = strict.post("/auth/password", body, headers=bearer(pair["access_token"]))
        assert answer.status == 204
        assert me(strict, pair["access_token"]).status == 401
        assert elsewhere.get("/auth/me").status == 401
        refresh = strict.post("/auth/jwt/refresh", {"refresh_token": pair["refresh_token"]})
        assert refresh.status == 401
        assert login(strict, viewer.email).code == "invalid_credentials"
        assert login(strict, viewer.email, "another-password-1").status == 200

    def test_a_password_set_by_a_manager_kills_every_token(
        self, strict: Api, api: Api, viewer: User, pair: dict[str, str]
    ) -> None:
        api.patch(f"/auth/users/{viewer.pk}", {"password": "another-password-1"})
        assert me(strict, pair["access_token"]).status == 401

    def test_who_lost_the_phone_signs_in_by_password_once_a_manager_removed_the_second_step(
        self, strict: Api, api: Api, admin: User, viewer: User, pair: dict[str, str]
    ) -> None:
        second_factor(viewer)
        assert login(strict, viewer.email).code == "second_factor_required"
        for _again in range(2):
            assert api.delete(f"/auth/users/{viewer.pk}/second-factors").status == 204
        assert login(strict, viewer.email).status == 200
        assert me(strict, pair["access_token"]).status == 401
        told = Event.objects.filter(type="user.second_factors_removed", aggregate_id=viewer.pk)
        assert [event.actor for event in told] == [admin]

    def test_ones_own_second_step_is_not_removed_without_the_password(
        self, api: Api, admin: User
    ) -> None:
        second_factor(admin)
        answer = api.delete(f"/auth/users/{admin.pk}/second-factors")
        assert (answer.status, answer.code) == (403, "own_account")
        assert is_mfa_enabled(admin)

    def test_who_registered_themselves_may_have_a_second_step(
        self, client: Client, db: None
    ) -> None:
        user = register(
            email="own@example.com", name="Own", password="a-long-password", active=True
        )
        client.force_login(user, backend="accounts.backends.RoleBackend")
        response = client.get("/accounts/2fa/totp/activate/")
        assert response.status_code in {200, 302}
        assert response.get("Location") != "/accounts/2fa/"

    def test_a_new_role_counts_at_once_whatever_the_token_says(
        self, strict: Api, api: Api, viewer: User, pair: dict[str, str]
    ) -> None:
        headers = bearer(pair["access_token"])
        assert strict("get", "/auth/users", headers=headers).code == "forbidden"
        api.patch(f"/auth/users/{viewer.pk}", {"role": "manager"})
        assert strict("get", "/auth/users", headers=headers).status == 200
        api.patch(f"/auth/users/{viewer.pk}", {"role": "viewer"})
        assert strict("get", "/auth/users", headers=headers).code == "forbidden"


class TestMachines:
    @pytest.fixture
    def machine(self, db: None) -> tuple[str, dict[str, str]]:
        from accounts.services import create_machine_client

        made = create_machine_client(name="Scanner", role="manager")
        basic = base64.b64encode(f"{made.client_id}:{made.secret}".encode()).decode()
        return made.user.email, {"Authorization": f"Basic {basic}"}

    def ask(self, headers: dict[str, str], **fields: str) -> Any:
        body = {"grant_type": "client_credentials", **fields}
        return Client(raise_request_exception=False).post(
            "/identity/o/api/token", body, headers=headers
        )

    def test_a_client_gets_a_token_and_acts_as_its_user(
        self, strict: Api, machine: tuple[str, dict[str, str]]
    ) -> None:
        email, headers = machine
        answer = self.ask(headers)
        assert answer.status_code == 200
        assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 3600)
        token = answer.json()["access_token"]
        found = me(strict, token)
        assert (found.status, found.body["email"], found.body["role"]) == (200, email, "manager")
        assert strict("get", "/auth/users", headers=bearer(token)).status == 200

    def test_a_machine_changes_no_password(
        self, strict: Api, machine: tuple[str, dict[str, str]]
    ) -> None:
        token = self.ask(machine[1]).json()["access_token"]
        body = {"current_password": "x", "new_password": "another-password-1"}
        assert strict.post("/auth/password", body, headers=bearer(token)).status == 401

    def test_deactivating_its_user_shuts_a_machine_out(
        self, strict: Api, api: Api, machine: tuple[str, dict[str, str]]
    ) -> None:
        email, headers = machine
        token = self.ask(headers).json()["access_token"]
        user = User.objects.get(email=email)
        api.patch(f"/auth/users/{user.pk}", {"is_active": False})
        assert me(strict, token).status == 401
        assert self.ask(headers).status_code == 401

    def test_a_deactivated_machine_gets_no_token_for_the_time_after(
        self, machine: tuple[str, dict[str, str]]
    ) -> None:
        email, headers = machine
        basic = base64.b64decode(headers["Authorization"][6:]) + b"wrong"
        wrong = self.ask({"Authorization": f"Basic {base64.b64encode(basic).decode()}"})
        User.objects.filter(email=email).update(is_active=False)
        refused = self.ask(headers)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        assert refused.content == wrong.content
        for name in ("Content-Type", "Cache-Control", "WWW-Authenticate"):
            assert refused[name] == wrong[name]
        assert not Token.objects.exists()
        User.objects.filter(email=email).update(is_active=True)
        assert self.ask(headers).status_code == 200

    @pytest.mark.parametrize("fields", [{"scope": "everything"}, {"grant_type": "password"}])
    def test_what_a_client_may_not_ask_for_is_400(
        self, machine: tuple[str, dict[str, str]], fields: dict[str, str]
    ) -> None:
        assert self.ask(machine[1], **fields).status_code == 400

    def test_a_wrong_secret_is_401(self, machine: tuple[str, dict[str, str]]) -> None:
        client_id = base64.b64decode(machine[1]["Authorization"][6:]).decode().split(":")[0]
        basic = base64.b64encode(f"{client_id}:wrong".encode()).decode()
        assert self.ask({"Authorization": f"Basic {basic}"}).status_code == 401

    def test_parameters_in_the_address_are_400(self, db: None) -> None:
        assert Client().post("/identity/o/api/token?%zz").status_code == 400
