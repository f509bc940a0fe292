"""The front page, the documentation of the API, refusals as pages, and the rules that every template keeps."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError
from django.http import HttpResponse
from django.template import engines
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import translation

from accounts.menu import MENU, NavGroup, NavItem, menu_for
from accounts.models import User
from accounts.roles import Permission, Role
from erp_site import home
from erp_site.core.errors import Busy, Conflict, Denied, DomainError, Invalid, NotFound
from erp_site.core.htmx import PageMiddleware
from erp_site.core.problems import STATUS_CODES
from erp_site.explanations import EXPLANATIONS
from erp_site.templatetags import page
from erp_site.testing import text_of

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
OPEN_PAGES = [
    "/",
    "/docs",
    "/docs/errors",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/nothing-here",
]


@pytest.fixture
def signed_in(client: Client, make_user: Callable[..., User]) -> Client:
    client.force_login(make_user("operator", name="Ana Lúcia Prado", language="en"))
    return client


@pytest.mark.django_db
class TestHome:
    def test_a_visitor_reads_what_this_is_and_finds_the_way_in(self, client: Client) -> None:
        response = client.get("/")
        assert response.status_code == 200
        assert "Orders that never oversell and never happen twice" in text_of(response)
        links = set(re.findall(r'href="(/[^"#]*)"', response.content.decode()))
        assert {"/docs", "/accounts/login/"} <= links

    def test_a_visitor_reads_it_in_the_language_of_the_browser(self, client: Client) -> None:
        response = client.get("/", headers={"Accept-Language": "pt-BR,en;q=0.5"})
        assert '<html lang="pt-br"' in response.content.decode()
        assert "Pedidos que nunca vendem o que não há e nunca se repetem" in text_of(response)


@pytest.mark.django_db
class TestEveryPage:
    @pytest.mark.parametrize("path", OPEN_PAGES)
    def test_the_policy_forbids_everything_from_elsewhere_and_all_that_is_inline(
        self, client: Client, path: str
    ) -> None:
        policy = client.get(path)["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy

    @pytest.mark.parametrize("path", OPEN_PAGES)
    def test_it_loads_nothing_from_another_host(self, client: Client, path: str) -> None:
        page = client.get(path).content.decode()
        assert (
            re.findall(r'(?:src|action)="(?:https?:)?//[^"]+"|<link[^>]+href="https?:[^"]+', page)
            == []
        )

    def test_the_signed_in_see_who_they_are_and_can_sign_out(self, signed_in: Client) -> None:
        response = signed_in.get("/accounts/profile/")
        assert "Ana Lúcia Prado Operator" in text_of(response)
        assert 'action="/accounts/logout/"' in response.content.decode()

    @pytest.mark.parametrize("path", ["/", "/accounts/profile/", "/accounts/2fa/", "/docs/errors"])
    def test_it_says_its_language_and_offers_the_other(self, signed_in: Client, path: str) -> None:
        page = signed_in.get(path, follow=True).content.decode()
        assert '<html lang="en"' in page
        assert re.findall(r'name="language" value="([^"]+)"', page) == ["pt-br", "en"]


@pytest.mark.django_db
class TestAddressesOfForms:
    """What a refused form leaves in the address field of a browser, which asks for it again on reload and Back."""

    @pytest.mark.parametrize(
        ("path", "page_above"),
        [
            ("/orders/bulk", "/orders/"),
            ("/orders/7/status", "/orders/7"),
            ("/products/7/delete", "/products/7"),
            ("/products/7/delete?page=2", "/products/7?page=2"),
            ("/products/price-lists/7/prices?sort=-sku", "/products/price-lists/7?sort=-sku"),
            ("/products/undo", "/products/"),
            ("/accounts/language/", "/"),
        ],
    )
    def test_a_browser_is_led_to_the_page_that_the_form_stands_on(
        self, client: Client, admin: User, path: str, page_above: str
    ) -> None:
        client.force_login(admin, "accounts.backends.RoleBackend")
        answer = client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert (answer.status_code, answer["Location"]) == (302, page_above)

    def test_a_program_is_told_that_the_method_is_wrong(self, client: Client, admin: User) -> None:
        client.force_login(admin, "accounts.backends.RoleBackend")
        answer = client.get("/orders/bulk", headers={"Accept": "*/*"})
        assert (answer.status_code, answer["Allow"]) == (405, "POST")
        assert "HX-Request" in client.get("/orders/")["Vary"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
class TestTemplate:
    def test_nothing_is_inline_that_the_policy_would_silently_refuse(self, template: Path) -> None:
        source = template.read_text()
        assert re.findall(r"<style|\sstyle=|\son[a-z]+=|\shx-on|javascript:|\bjs:", source) == []
        assert re.findall(r"<script(?![^>]*(?:src=|application/json))", source) == []

    def test_it_compiles(self, template: Path) -> None:
        name = str(template.relative_to(ROOT / "templates"))
        assert engines["django"].get_template(name).template.name == name  # type: ignore[attr-defined]


def test_every_word_is_collected_translated_and_compiled() -> None:
    assert output_of(".ci/messages.py", "--check") == ""


def test_the_files_of_other_projects_are_as_published_and_every_icon_is_there() -> None:
    assert output_of(".ci/vendor.py", "--check") == "vendored files: as published"


def output_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr).strip()


# --- the documentation of the API


def codes_in_code() -> Iterator[tuple[str, str]]:
    """Every `code="..."` given to ApiError or problem(), with where it stands."""
    for app in ("accounts", "catalog", "customers", "erp_site", "orders"):
        for file in (ROOT / app).rglob("*.py"):
            if "tests" in file.parts:
                continue
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
                    "ApiError",
                    "problem",
                }:
                    for keyword in node.keywords:
                        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                            yield str(keyword.value.value), f"{file.name}:{node.lineno}"


def refusals(base: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    for kind in base.__subclasses__():
        if kind.__module__.partition(".")[0] in {
            "accounts",
            "catalog",
            "customers",
            "erp_site",
            "orders",
        }:
            yield kind
        yield from refusals(kind)


class TestErrorCodes:
    def test_every_refusal_of_the_domain_is_explained_under_its_status(self) -> None:
        explained = {(entry.code, entry.status) for entry in EXPLANATIONS}
        wanted = {
            (kind.code, kind.status) for kind in refusals() if ".tests" not in kind.__module__
        }
        assert wanted - explained == set()

    def test_every_code_of_http_is_explained_under_its_status(self) -> None:
        explained = {(entry.code, entry.status) for entry in EXPLANATIONS}
        assert {(code, status) for status, code in STATUS_CODES.items()} - explained == set()

    def test_every_code_written_in_the_source_is_explained(self) -> None:
        explained = {entry.code for entry in EXPLANATIONS}
        assert {(code, at) for code, at in codes_in_code() if code not in explained} == set()

    def test_no_code_is_explained_twice(self) -> None:
        codes = [entry.code for entry in EXPLANATIONS]
        assert sorted(codes) == sorted(set(codes))

    @pytest.mark.django_db
    def test_the_page_has_an_anchor_for_each(self, client: Client) -> None:
        page = client.get("/docs/errors").content.decode()
        anchors = re.findall(r'class="card-part problem-code" id="([^"]+)"', page)
        assert sorted(anchors) == sorted(entry.code for entry in EXPLANATIONS)
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert sorted(ids) == sorted(set(ids))


@pytest.mark.django_db
def test_the_reference_reads_our_own_document(client: Client) -> None:
    page = client.get("/docs").content.decode()
    assert f'data-openapi="{reverse("api-v1:openapi-json")}"' in page
    assert client.get(reverse("api-v1:openapi-json")).json()["info"]["title"] == "ERP Pedidos"


# --- refusals as pages


def crash(path: str, error: Exception, language: str = "en") -> HttpResponse:
    """What handler500 answers when a view of `path` fails with `error`."""
    request = RequestFactory().get(path, headers={"Accept-Language": language})
    try:
        raise error
    except Exception:  # noqa: BLE001 -- handler500 reads it from sys.exc_info()
        return home.server_error(request)


class TestCrash:
    """Without a database: these tests have none, so a query would fail them."""

    def test_a_page_says_sorry_in_the_language_of_the_browser(self) -> None:
        response = crash("/orders", RuntimeError("bug"), "pt-BR")
        assert response.status_code == 500
        assert "O erro é nosso e ficou registrado." in text_of(response)

    def test_a_page_without_a_database_asks_to_try_again(self) -> None:
        response = crash("/orders", OperationalError("gone"))
        assert (response.status_code, response["Retry-After"]) == (503, str(Busy.retry_after))
        assert "The database does not answer right now." in text_of(response)

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [(RuntimeError("bug"), 500, "internal_error"), (OperationalError("gone"), 503, "busy")],
    )
    def test_the_api_answers_with_a_problem(self, error: Exception, status: int, code: str) -> None:
        response = crash("/api/v1/orders", error)
        body = json.loads(response.content)
        assert response["Content-Type"] == "application/problem+json"
        assert (response.status_code, body["status"], body["code"]) == (status, status, code)


@pytest.mark.django_db
class TestRefusedPage:
    @pytest.mark.parametrize(
        ("error", "status", "heading"),
        [
            (Denied("Your role may not do this."), 403, "Not for your role"),
            (NotFound("There is no such order."), 404, "Page not found"),
            (Conflict("It was shipped meanwhile."), 409, "This is not possible now"),
            (Invalid("The date is not a date."), 422, "The request is not valid"),
            (Busy("Busy."), 503, "Back in a moment"),
        ],
    )
    def test_a_refusal_keeps_its_status_and_says_why(
        self, rf: RequestFactory, viewer: User, error: DomainError, status: int, heading: str
    ) -> None:
        request = rf.get("/orders/1")
        request.user = viewer
        request.resolver_match = None
        with translation.override("en"):
            response = PageMiddleware(lambda _: HttpResponse()).process_exception(request, error)
        assert response is not None
        assert response.status_code == status
        text = text_of(response)
        assert heading in text
        assert error.message in text

    def test_an_unknown_address_is_a_page_of_ours(self, client: Client) -> None:
        response = client.get("/nothing-here")
        assert response.status_code == 404
        assert "There is nothing at this address." in text_of(response)

    def test_a_form_from_before_signing_in_is_refused_with_advice(self, viewer: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(viewer)
        response = client.post("/accounts/profile/", {"name": "X", "language": "en"})
        assert response.status_code == 403
        assert "Este formulário expirou" in text_of(response)


# --- the menu and what templates ask for


class TestMenu:
    TABLE = (
        NavGroup(
            "",
            (
                NavItem("Home", "home", icon="home"),
                NavItem("Users", "docs", icon="user", permission=Permission.VIEW_USERS),
            ),
        ),
        NavGroup(
            "Log", (NavItem("Log", "docs", icon="history", permission=Permission.VIEW_EVENTS),)
        ),
    )

    @pytest.mark.parametrize(
        ("role", "labels"),
        [
            (Role.VIEWER, [["Home"]]),
            (Role.OPERATOR, [["Home"]]),
            (Role.MANAGER, [["Home", "Users"], ["Log"]]),
            (Role.ADMIN, [["Home", "Users"], ["Log"]]),
        ],
    )
    def test_a_role_sees_what_it_may_open_and_no_empty_group(
        self, role: Role, labels: list[list[str]]
    ) -> None:
        groups = menu_for(User(role=role, is_active=True), menu=self.TABLE)
        assert [[item.label for item in group.items] for group in groups] == labels

    def test_the_present_page_is_marked_from_its_children_too(self) -> None:
        groups = menu_for(User(role=Role.ADMIN, is_active=True), here="mfa_activate_totp")
        marked = [item.view for group in groups for item in group.items if item.is_current]
        assert marked == ["mfa_index"]

    def test_every_item_leads_somewhere(self) -> None:
        for group in MENU:
            for item in group.items:
                assert item.url.startswith("/")


@pytest.mark.parametrize(
    ("name", "letters"), [("Ana Lúcia Prado", "AP"), ("Ana", "A"), ("  ", ""), ("élio silva", "ÉS")]
)
def test_initials_are_those_of_the_first_and_the_last_word(name: str, letters: str) -> None:
    assert page.initials(name) == letters


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
            "Chrome · Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge · Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari · iPhone",
        ),
        ("python-httpx/0.28.1", "python-httpx/0.28.1"),
        ("", "?"),
    ],
)
def test_a_session_is_named_after_browser_and_system(user_agent: str, said: str) -> None:
    assert page.device(user_agent) == said


def test_words_between_backticks_are_code_and_everything_is_escaped() -> None:
    assert page.ticks("Send `<id>` & wait") == "Send <code>&lt;id&gt;</code> &amp; wait"


def test_an_icon_is_there_for_those_who_ask_without_a_page(client: Client) -> None:
    answer = client.get("/favicon.ico")
    assert (answer.status_code, answer["Location"]) == (302, "/static/favicon.svg")
    assert answer["Cache-Control"] == "public, max-age=86400"
