"""Mail with passwords, by a real SMTP server: one that is there, slow, silent, away."""

import functools
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_string
from email.policy import default
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from structlog.testing import capture_logs

from accounts.models import User
from erp_site.core.mail import WAITING, Background
from erp_site.core.metrics import UNSENT
from erp_site.settings import mailer

RESET = "/accounts/password/reset/"
NEW = {"name": "Nina", "email": "nina@example.com", "role": "operator", "password": ""}
#: What is no part of an answer's meaning: tokens and ids made for each.
OF_ITS_OWN = {"x-request-id", "set-cookie"}


class Sink(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it gets, and greets nobody before `open` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.open, self.called = threading.Event(), threading.Event()
        self.mails: list[str] = []

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class Conversation(socketserver.StreamRequestHandler):
    server: Sink

    def handle(self) -> None:
        self.server.called.set()
        self.server.open.wait(20)
        self.wfile.write(b"220 sink\r\n")
        while line := self.rfile.readline():
            if line[:4].upper() == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                mail = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(mail.decode())
            self.wfile.write(b"221 bye\r\n" if line[:4].upper() == b"QUIT" else b"250 ok\r\n")


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    with Sink() as server:
        settings.MAILERS = {"default": mailer(server.url)}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.open.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def nobody_there(settings: Any) -> None:
    """A port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings.MAILERS = {"default": mailer(f"smtp://127.0.0.1:{port}")}


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


def said(response: Any) -> list[tuple[str, str]]:
    return [(message.level_tag, str(message)) for message in response.context["messages"]]


@pytest.mark.django_db
class TestAManagerIsTold:
    def test_that_the_mail_could_not_be_sent_and_the_account_is_there(
        self, desk_of: Callable[[User], Client], manager: User, nobody_there: None
    ) -> None:
        desk = desk_of(manager)
        response = desk.post("/users/new", NEW, follow=True)
        nina = User.objects.get(email="nina@example.com")
        assert response.redirect_chain == [(f"/users/{nina.pk}", 302)]
        ((level, words),) = said(response)
        assert level == "warning"
        assert words.startswith("The account of Nina was made, but the mail with the link could")
        assert "“Mail a password link”" in words
        assert f'action="/users/{nina.pk}/reset"' in response.content.decode()

        again = desk.post(f"/users/{nina.pk}/reset", follow=True)
        ((level, words),) = said(again)
        assert (again.status_code, level) == (200, "warning")
        assert words.startswith("The mail to nina@example.com could not be sent.")

    def test_that_it_was_sent_once_the_server_is_there(
        self, desk_of: Callable[[User], Client], manager: User, viewer: User, sink: Sink
    ) -> None:
        sink.open.set()
        response = desk_of(manager).post(f"/users/{viewer.pk}/reset", follow=True)
        assert said(response) == [("success", f"A link is on its way to {viewer.email}.")]
        (mail,) = sink.mails
        assert f"To: {viewer.email}" in mail
        assert re.search(r"http://testserver/accounts/password/reset/key/\S+", mail)

    def test_after_a_while_that_a_silent_server_did_not_answer(
        self,
        desk_of: Callable[[User], Client],
        manager: User,
        viewer: User,
        sink: Sink,
        settings: Any,
    ) -> None:
        assert settings.MAILERS["default"]["OPTIONS"]["timeout"] == 10
        settings.MAILERS["default"]["OPTIONS"]["timeout"] = 0.3
        response = desk_of(manager).post(f"/users/{viewer.pk}/reset", follow=True)
        assert sink.called.is_set()
        assert [level for level, _words in said(response)] == ["warning"]


@pytest.mark.django_db(transaction=True)
class TestAForgottenPassword:
    """Nobody learns from it who has an account."""

    def asked(self, client: Client, email: str) -> tuple[int, dict[str, str], list[str]]:
        """All that a visitor sees, and what it took to answer."""
        with CaptureQueriesContext(connection) as queries:
            response = client.post(RESET, {"email": email}, headers={"Accept-Language": "pt-BR"})
        headers = {name.lower(): value for name, value in response.items()}
        shown = {name: value for name, value in headers.items() if name not in OF_ITS_OWN}
        return response.status_code, shown, [query["sql"] for query in queries]

    def test_is_answered_before_the_mail_server_says_a_word(
        self, client: Client, viewer: User, sink: Sink
    ) -> None:
        known = self.asked(client, viewer.email)
        assert known == self.asked(client, "stranger@example.com")
        assert known[0] == 302
        wait_for(sink.called.is_set)
        assert sink.mails == []
        sink.open.set()
        wait_for(lambda: sink.mails)
        (mail,) = (message_from_string(mail, policy=default) for mail in sink.mails)
        assert (mail["To"], mail["Subject"]) == (viewer.email, "Uma senha nova para o ERP Pedidos")
        assert "http://testserver/accounts/password/reset/key/" in mail.get_content()

    def test_is_answered_the_same_without_a_mail_server(
        self, client: Client, viewer: User, nobody_there: None
    ) -> None:
        with capture_logs() as logs:
            known = self.asked(client, viewer.email)
            assert known == self.asked(client, "stranger@example.com")
            assert known[0] == 302
            wait_for(lambda: [entry for entry in logs if entry["event"] == "mail_not_sent"])


def test_mails_that_wait_for_a_mail_server_fill_no_memory() -> None:
    background, server_is_back, sent = Background(), threading.Event(), list[int]()

    def send(number: int) -> None:
        server_is_back.wait(20)
        sent.append(number)

    with capture_logs() as logs:
        background.add(functools.partial(send, 0))
        wait_for(background._waiting.empty)  # it is with the thread by now
        for number in range(1, WAITING + 6):
            background.add(functools.partial(send, number))
    assert [entry["event"] for entry in logs] == ["mail_dropped"] * 5
    server_is_back.set()
    wait_for(lambda: len(sent) > WAITING)
    assert sent == list(range(WAITING + 1))


def test_one_mail_that_cannot_be_made_does_not_stop_the_others() -> None:
    background, done = Background(), threading.Event()

    def fail() -> None:
        raise ValueError("no such template")

    before = UNSENT._value.get()
    with capture_logs() as logs:
        background.add(fail)
        background.add(done.set)
        assert done.wait(10)
    assert [entry["event"] for entry in logs] == ["mail_failed"]
    assert UNSENT._value.get() - before == 1
