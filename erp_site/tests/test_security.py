"""What browsers are told, what cookies carry, what a cookie alone may not do, what logs must not say."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.test import Client

from accounts.models import User
from catalog.services import create_price_list
from erp_site.api import api as the_api
from erp_site.core.webhooks import create_webhook
from erp_site.testing import PASSWORD, Api, record_counts

OPEN_PAGES: Final = ["/", "/docs", "/docs/errors", "/accounts/login/", "/accounts/password/reset/"]
CHANGES: Final = {
    operation["operationId"]: (method, path.removeprefix("/api/v1"), operation)
    for path, methods in the_api.get_openapi_schema()["paths"].items()
    for method, operation in methods.items()
    if method != "get"
}


class TestBrowsers:
    @pytest.mark.django_db
    @pytest.mark.parametrize("path", [*OPEN_PAGES, "/nowhere", "/api/v1/openapi.json"])
    def test_every_answer_names_the_only_sources_and_is_in_no_frame(
        self, client: Client, path: str
    ) -> None:
        headers = client.get(path).headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
        )
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "font-src": "'self'",
            "connect-src": "'self'",
            "manifest-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert {
            name: headers.get(name)
            for name in ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy")
        } == {
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
        }
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"

    @pytest.mark.django_db
    @pytest.mark.parametrize("path", OPEN_PAGES)
    def test_pages_have_nothing_the_policy_would_block(self, client: Client, path: str) -> None:
        page = client.get(path).content.decode()
        for forbidden in ("<style", " style=", " onclick=", "javascript:", 'src="http', "//cdn"):
            assert forbidden not in page, forbidden
        scripts = re.findall(r"<script[^>]*>", page)
        assert [it for it in scripts if " src=" not in it and "application/json" not in it] == []

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        "path",
        ["/", "/customers/", "/nowhere", "/export/customers.csv", "/api/v1/customers", "/api/v1/nowhere"],
    )  # fmt: skip
    def test_what_is_made_for_one_reader_is_kept_for_no_other(
        self, desk_of: Callable[[User], Client], viewer: User, path: str
    ) -> None:
        desk = desk_of(viewer)
        assert desk.get(path)["Cache-Control"] == "private, no-cache"

    @pytest.mark.django_db
    def test_a_made_up_host_is_refused(self, client: Client) -> None:
        assert client.get("/docs", headers={"Host": "evil.example"}).status_code == 400
        answer = client.get("/api/v1/orders", headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (
            400,
            "application/problem+json",
        )


HUGE: Final = ("9" * 19, "9" * 20, "9" * 5000)


@pytest.mark.django_db
class TestWhatOnlyAnEnemySends:
    """4xx and a page, on every database; never a crash of ours."""

    @pytest.mark.parametrize("number", HUGE)
    @pytest.mark.parametrize(
        "path",
        ["/orders/{}", "/orders/{}/print/pick", "/products/{}", "/customers/{}", "/users/{}"],
    )
    def test_an_id_that_no_database_keeps_is_not_found(
        self, desk_of: Callable[[User], Client], admin: User, path: str, number: str
    ) -> None:
        desk = desk_of(admin)
        assert desk.get(path.format(number)).status_code == 404
        assert desk.post(f"/orders/{number}/status", {"status": "confirmed"}).status_code == 404

    @pytest.mark.parametrize("number", HUGE)
    def test_nor_is_it_repeated(
        self, desk_of: Callable[[User], Client], admin: User, number: str
    ) -> None:
        desk = desk_of(admin)
        assert desk.get("/orders/new", {"repeat": number}).status_code == 200
        assert desk.post("/orders/new", {"action": f"repeat:{number}"}).status_code == 200
        assert desk.post("/export/orders.csv", {"ids": number}).status_code == 422

    def test_a_long_row_of_spaces_is_no_long_work(
        self, desk_of: Callable[[User], Client], admin: User
    ) -> None:
        """It took hours, and all other requests of the process waited."""
        pasted = f"a{' ' * 20_000};;"
        answer = desk_of(admin).post("/orders/new", {"action": "paste", "pasted": pasted})
        assert answer.status_code == 422
        assert pasted in answer.content.decode()

    @pytest.mark.parametrize("url", ["1e999", "true", "é", "home", "login", "orders:new"])
    def test_the_language_leads_nowhere_but_to_an_address(self, client: Client, url: str) -> None:
        answer = client.post("/accounts/language/", {"language": "en", "next": url})
        assert (answer.status_code, answer["Location"]) == (302, "/")

    @pytest.mark.parametrize("path", ["/accounts/signup/", "/accounts/login/"])
    @pytest.mark.parametrize("charset", ["ISO-8859-1", "utf-7"])
    def test_a_form_in_another_charset_is_refused(self, path: str, charset: str) -> None:
        """Its token cannot be read either, by whoever looks after it and by Django's own page about that."""
        client = Client(enforce_csrf_checks=True)
        client.get("/accounts/login/")
        assert "csrftoken" in client.cookies
        kind = f"application/x-www-form-urlencoded; charset={charset}"
        answer = client.post(
            path, "email=a", content_type=kind, headers={"Accept-Language": "pt-BR"}
        )
        assert answer.status_code == 400
        assert "Solicitação inválida" in answer.content.decode()

    def test_a_visitor_cannot_fill_the_memory_with_files(self, client: Client) -> None:
        one = ContentFile(b"x" * 1000, "one.csv")
        files = {name: ContentFile(b"x" * 1000, f"{name}.csv") for name in ("first", "second")}
        typed = {"login": "a@example.com", "password": "b"}
        assert client.post("/accounts/login/", {**typed, "first": one}).status_code == 200
        assert client.post("/accounts/login/", {**typed, **files}).status_code == 400

    def test_the_token_endpoint_takes_posts_alone(self, client: Client) -> None:
        for ask in (client.options, client.get, client.put):
            answer = ask("/identity/o/api/token")
            assert (answer.status_code, answer["Allow"]) == (405, "POST")


SCRIPT: Final = """
import json, django
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
client = Client()
def seen(answer):
    return {
        "status": answer.status_code,
        "location": answer.headers.get("Location"),
        "hsts": answer.headers.get("Strict-Transport-Security"),
        "cookies": {
            name: [bool(it["secure"]), bool(it["httponly"]), it["samesite"]]
            for name, it in answer.cookies.items()
        },
    }
from accounts.models import User
User.objects.create_user("ana@example.com", "correct-horse-battery", name="Ana", role="viewer")
body = {"email": "ana@example.com", "password": "correct-horse-battery"}
print(json.dumps({
    "plain": seen(client.get("/accounts/login/")),
    "api": seen(client.get("/api/v1/orders")),
    "health": seen(client.get("/health/live")),
    "csrf": seen(client.get("/api/v1/auth/csrf", secure=True)),
    "login": seen(client.post("/api/v1/auth/session/login", body, "application/json", secure=True)),
}))
"""


def served(tmp_path: Path, **environment: str) -> dict[str, Any]:
    """What a server with this environment answers."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=django_settings.BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "erp_site.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path}/erp.sqlite3",
            "REDIS_URL": "",
            "ALLOWED_HOSTS": "testserver",
            **environment,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    answers: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answers


class TestHttps:
    def test_on_everything_but_health_is_redirected_and_cookies_are_secure(
        self, tmp_path: Path
    ) -> None:
        answers = served(tmp_path, HTTPS="on")
        assert answers["plain"]["status"] == 301
        assert answers["plain"]["location"] == "https://testserver/accounts/login/"
        assert (answers["api"]["status"], answers["health"]["status"]) == (301, 200)
        year = "max-age=31536000"  # of this host: its neighbours may speak plain HTTP
        assert (answers["login"]["status"], answers["login"]["hsts"]) == (200, year)
        assert answers["csrf"]["cookies"] == {"csrftoken": [True, False, "Lax"]}
        assert answers["login"]["cookies"]["sessionid"] == [True, True, "Lax"]

    def test_off_it_works_on_plain_http(self, tmp_path: Path) -> None:
        answers = served(tmp_path, HTTPS="off")
        assert answers["plain"]["status"] == 200
        assert answers["login"]["hsts"] is None
        assert answers["login"]["cookies"]["sessionid"] == [False, True, "Lax"]


@pytest.mark.django_db
class TestCsrf:
    def test_no_change_is_made_for_a_cookie_alone(
        self, admin: User, place: Any, product: Any, subtests: pytest.Subtests
    ) -> None:
        order = place((product, 1))
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        client.force_login(admin, "accounts.backends.RoleBackend")
        ids = {
            "order_id": order.pk,
            "product_id": product.pk,
            "customer_id": order.customer_id,
            "user_id": order.created_by_id,
            "webhook_id": create_webhook(actor=admin, url="https://a.example").pk,
            "price_list_id": create_price_list(actor=admin, name="Wholesale").pk,
        }
        before = record_counts()
        for name, (method, path, operation) in CHANGES.items():
            if any("CookieAuth" in way for way in operation.get("security", [])):
                with subtests.test(operation=name):
                    answer = Api(client)(method, path.format(**ids), {})
                    assert (answer.status, answer.code) == (403, "csrf_failed")
        assert record_counts() == before

    def test_signing_in_by_cookie_needs_the_token_too(self, viewer: User) -> None:
        api = Api(Client(enforce_csrf_checks=True))
        body = {"email": viewer.email, "password": PASSWORD}
        for path in ("/auth/session/login", "/auth/session/mfa"):
            sent = body if path.endswith("login") else {"code": "123456"}
            assert (api.post(path, sent).status, api.post(path, sent).code) == (403, "csrf_failed")

    def test_with_the_token_it_works(self, viewer: User) -> None:
        api = Api(Client(enforce_csrf_checks=True))
        body = {"email": viewer.email, "password": PASSWORD}
        token = {"X-CSRFToken": api.get("/auth/csrf").body["csrf_token"]}
        assert api.post("/auth/session/login", body, headers=token).status == 200


@pytest.mark.django_db
class TestLogs:
    def test_signing_in_and_out_writes_no_secret(
        self,
        viewer: User,
        make_user: Callable[..., User],
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
        settings: Any,
    ) -> None:
        settings.REGISTRATION = "open"
        caplog.set_level(logging.DEBUG)
        logging.getLogger("django.db.backends").setLevel(logging.INFO)
        api = Api(Client())
        wrong, new = "a-wrong-password-77", "another-long-password-88"
        pair = api.post("/auth/jwt/login", {"email": viewer.email, "password": PASSWORD}).body
        token = {"Authorization": f"Bearer {pair['access_token']}"}
        api.post("/auth/jwt/login", {"email": viewer.email, "password": wrong})
        api.post("/auth/jwt/login", {"email": viewer.email, "password": wrong, "x": 1})
        api.post("/auth/jwt/login", f'{{"email": "{viewer.email}", "password": "{wrong}"')
        api.post("/auth/register", {"email": "b@example.com", "name": "B", "password": new})
        api("get", "/auth/me", headers=token)
        renewed = api.post("/auth/jwt/refresh", {"refresh_token": pair["refresh_token"]}).body
        api.post(
            "/auth/password",
            {"current_password": PASSWORD, "new_password": new},
            headers={"Authorization": f"Bearer {renewed['access_token']}"},
        )
        written = caplog.text + "".join(capfd.readouterr())
        for secret in (PASSWORD, wrong, new, *(it[k] for it in (pair, renewed) for k in KEYS)):
            assert secret not in written

    @pytest.mark.parametrize("production", [True, False])
    def test_a_crash_is_logged_without_the_values_it_worked_on(self, production: bool) -> None:
        script = (
            "import logging\n"
            "from erp_site.core.logging import configuration\n"
            f"configuration(json={production}, debug=False)\n"
            "def crash(password):\n"
            "    raise ValueError('it broke')\n"
            "try:\n"
            "    crash('hun' + 'ter2')\n"
            "except ValueError:\n"
            "    logging.getLogger('product').exception('unhandled')\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", script],
            cwd=django_settings.BASE_DIR,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "it broke" in ran.stderr
        assert "hunter2" not in ran.stderr

    def test_a_crash_tells_the_caller_nothing_but_its_request_id(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from orders import queries

        def broken(*args: Any) -> None:
            raise ZeroDivisionError("the secret recipe")

        monkeypatch.setattr(queries, "read_whole_order", broken)
        answer = api.get("/orders/1")
        assert (answer.status, answer.code) == (500, "internal_error")
        assert answer.body["request_id"] == answer.headers["X-Request-ID"]
        assert "recipe" not in json.dumps(answer.body)


KEYS: Final = ("access_token", "refresh_token")
