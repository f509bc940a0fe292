"""What every page has in common, and allauth's pages as far as they are ours."""

import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client, RequestFactory

from accounts.backends import RoleBackend, SessionStore
from accounts.hashers import Argon2
from accounts.models import User
from accounts.views import csrf_failure
from erp_site.core import clock
from erp_site.core.models import Event
from erp_site.core.statements import columns_of
from erp_site.testing import PASSWORD, Api, code_of

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"
PASSWORD_CHANGE = "/accounts/password/change/"
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/orders?page=2"}


@pytest.fixture
def signed_in(client: Client, viewer: User) -> Client:
    """A viewer, signed in by the page."""
    response = client.post(LOGIN, {"login": viewer.email, "password": PASSWORD})
    assert (response.status_code, response["Location"]) == (302, "/")
    return client


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            ["This is not your current password.", "You must type the same password each time."],
        ),
        ("pt-br", ["Esta não é a sua senha atual.", "As duas senhas não são iguais."]),
    ],
)
def test_what_is_wrong_with_a_new_password_is_said_in_plain_words(
    signed_in: Client, viewer: User, language: str, said: list[str]
) -> None:
    User.objects.filter(pk=viewer.pk).update(language=language)
    body = {"oldpassword": "not-my-password", "password1": "a-very-long-one"}
    pages = [
        signed_in.post(PASSWORD_CHANGE, {**body, "password2": again}).content.decode()
        for again in ("a-very-long-one", "another-long-one")
    ]
    assert [words in page for words, page in zip(said, pages, strict=True)] == [True, True]


class TestSignInRequired:
    def test_a_page_sends_visitors_to_the_login_and_back(self, client: Client) -> None:
        response = client.get(f"{PASSWORD_CHANGE}?a=1")
        assert response.status_code == 302
        assert response["Location"] == f"{LOGIN}?next={PASSWORD_CHANGE}%3Fa%3D1"

    def test_htmx_is_told_that_the_session_has_ended_and_the_page_stays(
        self, client: Client
    ) -> None:
        response = client.get(PASSWORD_CHANGE, headers=HTMX)
        assert (response.status_code, response["HX-Trigger"]) == (401, "session-ended")
        assert (response.content, response.has_header("HX-Redirect")) == (b"", False)

    def test_signing_in_again_in_a_second_tab_ends_with_a_page_that_says_so(
        self, client: Client, viewer: User
    ) -> None:
        body = {"login": viewer.email, "password": PASSWORD}
        response = client.post(f"{LOGIN}?next=/accounts/signed-in/", body)
        assert response["Location"] == "/accounts/signed-in/"
        assert client.get("/accounts/signed-in/").status_code == 200

    def test_the_api_answers_for_itself(self, anonymous: Api) -> None:
        answer = anonymous.get("/auth/me")
        assert (answer.status, answer.code) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize(
        "path",
        [
            "/_allauth/app/v1/config",
            "/accounts/email/",
            "/identity/o/authorize",
            "/.well-known/openid-configuration",
        ],
    )
    def test_doors_beside_our_services_are_not_there(self, signed_in: Client, path: str) -> None:
        assert signed_in.get(path).status_code == 404


class TestPages:
    @pytest.mark.parametrize(
        "path", [LOGIN, "/accounts/signup/", "/accounts/password/reset/", "/accounts/inactive/"]
    )
    def test_visitors_can_open_it(self, client: Client, settings: Any, path: str) -> None:
        settings.REGISTRATION = "open"
        assert client.get(path).status_code == 200

    @pytest.mark.parametrize(
        "path",
        [
            PASSWORD_CHANGE,
            "/accounts/profile/",
            "/accounts/logout/",
            "/accounts/2fa/",
            "/accounts/sessions/",
            "/accounts/reauthenticate/",
        ],
    )
    def test_the_signed_in_can_open_it(self, signed_in: Client, path: str) -> None:
        assert signed_in.get(path).status_code == 200

    def test_a_second_factor_is_set_up_after_the_password_and_asked_for_from_then_on(
        self, signed_in: Client, viewer: User
    ) -> None:
        activate = "/accounts/2fa/totp/activate/"
        asked = signed_in.get(activate)["Location"]
        assert signed_in.post(asked, {"password": PASSWORD})["Location"] == activate
        secret = signed_in.get(activate).context["form"].secret
        response = signed_in.post(activate, {"code": code_of(secret)})
        assert response["Location"] == "/accounts/2fa/recovery-codes/"
        cache.clear()  # a code is good once, and the same half minute makes the same code
        elsewhere = Client()
        response = elsewhere.post(LOGIN, {"login": viewer.email, "password": PASSWORD})
        assert response["Location"] == "/accounts/2fa/authenticate/"
        assert elsewhere.get("/api/v1/auth/me").status_code == 401
        elsewhere.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})
        assert elsewhere.get("/api/v1/auth/me").status_code == 200

    def test_logging_out_ends_the_session(self, signed_in: Client) -> None:
        signed_in.post("/accounts/logout/")
        assert signed_in.get("/api/v1/auth/me").status_code == 401

    def test_a_new_password_keeps_this_browser_in_and_throws_the_others_out(
        self, signed_in: Client, viewer: User, api_as: Callable[[User], Api]
    ) -> None:
        elsewhere = api_as(viewer)
        body = {
            "oldpassword": PASSWORD,
            "password1": "another-password-1",
            "password2": "another-password-1",
        }
        assert signed_in.post(PASSWORD_CHANGE, body).status_code == 302
        assert signed_in.get("/api/v1/auth/me").status_code == 200
        assert elsewhere.get("/auth/me").status == 401
        assert Event.objects.get().type == "user.password_changed"

    @pytest.mark.django_db(transaction=True)  # the thread that mails sees what is committed
    def test_a_forgotten_password_is_set_by_the_link_in_the_mail(
        self, client: Client, viewer: User, mailoutbox: Any
    ) -> None:
        client.post("/accounts/password/reset/", {"email": viewer.email})
        deadline = time.monotonic() + 10
        while not mailoutbox and time.monotonic() < deadline:
            time.sleep(0.01)
        (link,) = re.findall(r"http://testserver(\S+)", mailoutbox[0].body)
        form = client.get(link, follow=True).redirect_chain[-1][0]
        body = {"password1": "another-password-1", "password2": "another-password-1"}
        assert client.post(form, body).status_code == 302
        viewer.refresh_from_db()
        assert viewer.check_password("another-password-1")
        assert Event.objects.get().type == "user.password_changed"


class TestLanguage:
    def test_visitors_read_the_browsers_language(self, client: Client) -> None:
        for accepted, language in [("pt-BR,pt;q=0.9", "pt-br"), ("fr, en;q=0.5", "en"), ("", "en")]:
            response = client.get(LOGIN, headers={"Accept-Language": accepted})
            assert response["Content-Language"] == language
            assert "Accept-Language" in response["Vary"]

    def test_the_signed_in_read_their_own(self, signed_in: Client, viewer: User) -> None:
        headers = {"Accept-Language": "en"}
        assert signed_in.get(PASSWORD_CHANGE, headers=headers)["Content-Language"] == "pt-br"
        signed_in.patch("/api/v1/auth/me", {"language": "en"}, content_type="application/json")
        assert signed_in.get(PASSWORD_CHANGE)["Content-Language"] == "en"

    def test_the_api_speaks_english_unless_asked(self, signed_in: Client) -> None:
        assert signed_in.get("/api/v1/auth/me")["Content-Language"] == "en"
        headers = {"Accept-Language": "pt-BR"}
        assert signed_in.get("/api/v1/auth/me", headers=headers)["Content-Language"] == "pt-br"

    def test_a_visitor_chooses_and_comes_back(self, client: Client) -> None:
        body = {"language": "pt-br", "next": f"{LOGIN}?next=/docs"}
        assert client.post("/accounts/language/", body)["Location"] == body["next"]
        assert client.get(LOGIN, headers={"Accept-Language": "en"})["Content-Language"] == "pt-br"
        assert client.get("/api/v1/auth/csrf")["Content-Language"] == "en"

    def test_the_choice_of_the_signed_in_is_kept_with_them(
        self, signed_in: Client, viewer: User
    ) -> None:
        signed_in.post("/accounts/language/", {"language": "en"})
        viewer.refresh_from_db()
        assert viewer.language == "en"

    @pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", ""])
    def test_it_leads_nowhere_else_and_an_unknown_language_changes_nothing(
        self, signed_in: Client, viewer: User, elsewhere: str
    ) -> None:
        body = {"language": "fr", "next": elsewhere}
        assert signed_in.post("/accounts/language/", body)["Location"] == "/"
        viewer.refresh_from_db()
        assert viewer.language == "pt-br"


class TestProfile:
    def test_name_and_language_are_saved(self, signed_in: Client, viewer: User) -> None:
        body = {"name": "Ana", "language": "en"}
        response = signed_in.post("/accounts/profile/", body)
        assert response["Location"] == "/accounts/profile/"
        viewer.refresh_from_db()
        assert (viewer.name, viewer.language) == ("Ana", "en")

    def test_what_is_wrong_comes_back(self, signed_in: Client, viewer: User) -> None:
        response = signed_in.post("/accounts/profile/", {"name": "", "language": "fr"})
        assert (response.status_code, set(response.context["form"].errors)) == (
            422,
            {"name", "language"},
        )


class TestCsrfFailure:
    def test_a_page_is_refused(self, viewer: User) -> None:
        client = Client(enforce_csrf_checks=True)
        response = client.post(LOGIN, {"login": viewer.email, "password": PASSWORD})
        assert (response.status_code, response["Content-Type"]) == (403, "text/html; charset=utf-8")

    def test_htmx_loads_the_page_again_for_a_fresh_token(self) -> None:
        client = Client(enforce_csrf_checks=True)
        response = client.post(LOGIN, {}, headers=HTMX)
        assert (response.status_code, response["HX-Refresh"]) == (403, "true")

    def test_htmx_is_told_to_fetch_a_token_where_something_may_be_typed(self, viewer: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(viewer, backend="accounts.backends.RoleBackend")
        response = client.post("/orders/views", {"name": "Mine"}, headers=HTMX)
        assert (response.status_code, response.headers.get("HX-Refresh")) == (403, None)
        assert response["HX-Trigger"] == "token-rotated"

    def test_the_api_answers_a_problem(self, rf: RequestFactory) -> None:
        response = csrf_failure(rf.post("/api/v1/anything"))
        assert response["Content-Type"] == "application/problem+json"
        assert (response.status_code, b'"csrf_failed"' in response.content) == (403, True)


def test_passwords_are_hashed_with_owasps_minimum(
    costs_of_a_hash: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, cost in costs_of_a_hash.items():
        monkeypatch.setattr(Argon2, name, cost)
    assert make_password("x").startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_the_menu_is_that_of_the_reader_whoever_opened_the_page_before(
    desk_of: Callable[[User], Client], people: dict[str, User]
) -> None:
    def links(user: User) -> tuple[bool, bool]:
        page = desk_of(user).get("/accounts/profile/").content.decode()
        return 'href="/users/"' in page, 'href="/activity"' in page

    assert links(people["admin"]) == (True, True)
    assert links(people["viewer"]) == (False, False)
    assert links(people["admin"]) == (True, True)


def test_the_menu_speaks_the_readers_language(
    desk_of: Callable[[User], Client], viewer: User
) -> None:
    desk = desk_of(viewer)
    english = desk.get("/accounts/profile/").content.decode()
    User.objects.filter(pk=viewer.pk).update(language="pt-br")
    portuguese = desk.get("/accounts/profile/").content.decode()
    assert ("Customers</a>" in english, "Clientes</a>" in english) == (True, False)
    assert ("Customers</a>" in portuguese, "Clientes</a>" in portuguese) == (False, True)


def test_nothing_of_a_person_stays_in_the_frame_around_pages(
    desk_of: Callable[[User], Client], make_user: Callable[..., User], manager: User
) -> None:
    other = make_user("manager", name="Quitéria Bittencourt")
    first = desk_of(other).get("/accounts/profile/").content.decode()
    second = desk_of(manager).get("/accounts/profile/").content.decode()
    assert ("Quitéria" in first, f'data-user="{other.pk}"' in first) == (True, True)
    assert ("Quitéria" in second, f'data-user="{manager.pk}"' in second) == (False, True)


class TestASessionEnds:
    def signed_in(self, desk: Client) -> bool:
        return desk.get("/accounts/profile/").status_code == 200

    def test_when_its_time_is_over(self, desk_of: Callable[[User], Client], viewer: User) -> None:
        desk = desk_of(viewer)
        Session.objects.update(expire_date=clock.now() + timedelta(minutes=1))
        assert self.signed_in(desk)
        Session.objects.update(expire_date=clock.now() - timedelta(seconds=1))
        assert not self.signed_in(desk)

    def test_when_its_row_is_gone(self, desk_of: Callable[[User], Client], viewer: User) -> None:
        desk = desk_of(viewer)
        Session.objects.all().delete()
        assert not self.signed_in(desk)

    def test_when_its_user_may_no_longer_sign_in(
        self, desk_of: Callable[[User], Client], viewer: User
    ) -> None:
        desk = desk_of(viewer)
        User.objects.filter(pk=viewer.pk).update(is_active=False)
        assert not self.signed_in(desk)

    def test_when_the_password_is_another(
        self, desk_of: Callable[[User], Client], viewer: User
    ) -> None:
        desk = desk_of(viewer)
        User.objects.filter(pk=viewer.pk).update(password=make_password("another-password"))
        assert not self.signed_in(desk)

    def test_when_its_user_is_gone(self, desk_of: Callable[[User], Client], viewer: User) -> None:
        desk = desk_of(viewer)
        User.objects.filter(pk=viewer.pk).delete()
        assert not self.signed_in(desk)


def test_a_session_and_its_user_are_read_as_the_orm_reads_them(viewer: User) -> None:
    user = RoleBackend().get_user(viewer.pk)
    assert user is not None
    expected = User.objects.get(pk=viewer.pk)
    assert {name: getattr(user, name) for name in columns_of(User)} == {
        name: getattr(expected, name) for name in columns_of(User)
    }
    store = SessionStore()
    store["key"] = ["ção", 1]
    store.save()
    assert dict(SessionStore(store.session_key).items()) == {"key": ["ção", 1]}
