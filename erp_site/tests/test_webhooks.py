"""Webhooks: other systems are told everything, in sequence and signed, and nobody gets into the house by them."""

import base64
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from standardwebhooks import Webhook as Verifier

from accounts.models import User
from accounts.roles import Permission, Role
from catalog.models import Product
from catalog.services import adjust_stock
from erp_site.core import clock, consumers, outbox, webhooks
from erp_site.core.errors import Denied, Invalid, NotFound
from erp_site.core.models import Delivery, Event, Webhook
from erp_site.core.webhooks import sending
from erp_site.core.webhooks.endpoints import GIVE_UP, TooManyWebhooks, WebhookPaused
from erp_site.core.webhooks.relay import WebhookRelay
from erp_site.testing import Api, in_parallel
from erp_site.tests.conftest import PATIENCE, running, wait_for
from orders.models import Order

pytestmark = pytest.mark.django_db


class Receiver:
    """Another system: keeps what it is sent, and answers `statuses` in turn, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: deque[int] = deque()
        self.headers: dict[str, str] = {}
        self.is_asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.is_asked.set()
                receiver.may_answer.wait(PATIENCE)
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.statuses.popleft() if receiver.statuses else 200)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "11")
                self.end_headers()
                self.wfile.write(b"no  thanks\n")

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/events?for=erp"
        self.thread = threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True)

    def __enter__(self) -> "Receiver":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.may_answer.set()
        self.server.shutdown()
        self.server.server_close()

    def told(self) -> list[str]:
        return [json.loads(body)["type"] for _headers, body in self.got]

    def sequences(self) -> list[tuple[int, int]]:
        bodies = [json.loads(body) for _headers, body in self.got]
        return [(body["aggregate_id"], body["sequence"]) for body in bodies]


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def hook(admin: User, receiver: Receiver) -> Webhook:
    return webhooks.create_webhook(actor=admin, url=receiver.url)


def relay() -> WebhookRelay:
    """A relay that has brought what there is to bring; its pauses are its own."""
    one = WebhookRelay(threading.Event())
    outbox.publish([])
    one.drain()
    return one


def states(hook: Webhook) -> list[str]:
    return [each.state for each in reversed(webhooks.deliveries_of(hook, 100))]


def make_due() -> None:
    """The back-off is over."""
    Delivery.objects.filter(state="open").update(due_at=clock.now())


# --- what is sent


def test_an_event_comes_signed_and_as_the_feed_tells_it(
    hook: Webhook, receiver: Receiver, api_as: Callable[[User], Api], admin: User, product: Product
) -> None:
    adjust_stock(actor=admin, product_id=product.pk, delta=3, reason="found", note="Caixa aberta")
    relay()
    headers, body = receiver.got[-1]
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["content-type"] == "application/json"
    feed = api_as(admin).get("/events?limit=100").body["items"]
    assert Verifier(hook.secret).verify(body, headers) == feed[-1]
    assert (feed[-1]["type"], headers["webhook-id"]) == ("stock.adjusted", feed[-1]["id"])
    with pytest.raises(Exception, match="No matching signature"):
        Verifier("whsec_" + "A" * 43 + "=").verify(body, headers)


def test_what_happened_before_is_not_told_and_only_what_is_wanted(
    admin: User, receiver: Receiver, product: Product, place: Callable[..., Order]
) -> None:
    place((product, 1))
    outbox.publish([])
    webhooks.create_webhook(actor=admin, url=receiver.url, types=["order.placed"])
    adjust_stock(actor=admin, product_id=product.pk, delta=3, reason="found")
    order = place((product, 1))
    relay()
    assert receiver.told() == ["order.placed"]
    assert receiver.sequences() == [(order.pk, 1)]


def test_a_test_goes_to_the_one_that_is_tested(
    hook: Webhook, receiver: Receiver, admin: User
) -> None:
    other = webhooks.create_webhook(actor=admin, url=receiver.url, types=["order.placed"])
    relay()
    receiver.got.clear()
    webhooks.send_test(actor=admin, webhook_id=other.pk)
    relay()
    assert receiver.told() == ["webhook.tested"]
    assert receiver.sequences() == [(other.pk, 2)]
    assert "webhook.tested" not in [each.event.type for each in webhooks.deliveries_of(hook, 10)]


def test_for_a_day_after_a_change_both_secrets_sign(
    hook: Webhook, receiver: Receiver, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = webhooks.rotate_secret(actor=admin, webhook_id=hook.pk)
    assert changed.secret != hook.secret
    relay()
    headers, body = receiver.got[-1]
    for secret in (hook.secret, changed.secret):
        Verifier(secret).verify(body, headers)
    later = clock.now() + timedelta(hours=24)
    signed = sending.signatures(changed, "1", "{}", later)["Webhook-Signature"]
    assert signed == Verifier(changed.secret).sign("1", later, "{}")


# --- when it is not taken


def test_who_is_away_gets_everything_later_in_sequence(
    hook: Webhook, receiver: Receiver, admin: User, product: Product
) -> None:
    relay()
    receiver.got.clear()
    receiver.statuses.extend([503])
    for _ in range(3):
        adjust_stock(actor=admin, product_id=product.pk, delta=1, reason="found")
    one = relay()
    assert len(receiver.got) == 1  # the others wait for the first
    hook.refresh_from_db()
    assert (hook.failing_since is not None, hook.last_error) == (True, "HTTP 503: no thanks")
    assert states(hook)[-3:] == ["open", "open", "open"]
    one._pauses.clear()  # the pause is over
    one.drain()
    level = receiver.sequences()[0][0]
    assert receiver.sequences() == [(level, 1), (level, 1), (level, 2), (level, 3)]
    hook.refresh_from_db()
    assert (hook.failing_since, hook.last_error, hook.is_active) == (None, "", True)
    assert Delivery.objects.exclude(state="done").count() == 0


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500])
def test_an_answer_that_does_not_blame_the_event_costs_it_no_try(
    hook: Webhook, receiver: Receiver, admin: User, status: int
) -> None:
    receiver.statuses.append(status)
    receiver.headers["Location"] = receiver.url
    relay()
    assert len(receiver.got) == 1  # a redirect is not followed
    [delivery] = webhooks.deliveries_of(hook, 10)
    assert (delivery.state, delivery.attempts) == ("open", 0)


def test_a_refused_event_is_put_aside_after_its_tries_and_can_be_sent_once_more(
    hook: Webhook, receiver: Receiver, admin: User
) -> None:
    receiver.statuses.extend([422] * 8)
    for _ in range(8):
        make_due()
        relay()
    [letter] = webhooks.deliveries_of(hook, 10)
    assert (letter.state, letter.attempts) == ("dead", 8)
    assert letter.last_error == "Refused: HTTP 422: no thanks"
    hook.refresh_from_db()
    assert hook.failing_since is None  # it is there, whatever it thinks of this event
    assert webhooks.retry_dead_letters(actor=admin, webhook_id=hook.pk) == 1
    relay()
    assert states(hook) == ["done"]


def test_who_is_gone_is_asked_no_more_and_resuming_sends_what_waited(
    hook: Webhook, receiver: Receiver, admin: User
) -> None:
    receiver.statuses.append(410)
    relay()
    hook.refresh_from_db()
    assert (hook.is_active, hook.last_error) == (False, "HTTP 410: no thanks")
    told = Event.objects.get(type="webhook.disabled")
    assert told.payload == {
        "host": "127.0.0.1",
        "reason": "HTTP 410",
    }  # its words are for administrators
    assert told.actor is None
    relay()
    assert len(receiver.got) == 1
    webhooks.update_webhook(actor=admin, webhook_id=hook.pk, is_active=True)
    relay()
    assert receiver.told() == ["webhook.created", "webhook.created", "webhook.updated"]


def test_nobody_is_waited_for_longer_than_five_days(
    hook: Webhook, receiver: Receiver, admin: User
) -> None:
    receiver.statuses.extend([500, 500])
    now = clock.now()
    Webhook.objects.update(failing_since=now - GIVE_UP + timedelta(minutes=1))
    relay()
    assert Webhook.objects.get().is_active
    Webhook.objects.update(failing_since=now - GIVE_UP - timedelta(minutes=1))
    relay()
    assert not Webhook.objects.get().is_active


def test_a_closed_port_and_an_unknown_host_are_told_as_such(
    receiver: Receiver, admin: User
) -> None:
    for url, words in (
        ("http://127.0.0.1:9/x", "Connection refused"),
        ("https://nowhere.invalid/x", "nowhere.invalid"),
    ):
        hook = webhooks.create_webhook(actor=admin, url=url)
        relay()
        hook.refresh_from_db()
        assert words in hook.last_error


def listens(port: int) -> bool:
    with socket.socket() as door:
        return not door.connect_ex(("127.0.0.1", port))


def test_the_receiver_of_the_document_works(
    settings: Any, admin: User, product: Product, tmp_path: Path
) -> None:
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]
    document = (Path(settings.BASE_DIR) / "docs/events.md").read_text(encoding="utf-8")
    program = document.partition("## Webhooks")[2].partition("```python\n")[2].partition("```")[0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    hook = webhooks.create_webhook(actor=admin, url=f"http://127.0.0.1:{port}/")
    stranger = "whsec_" + base64.b64encode(b"another secret").decode()
    for secret, failure, told in (
        (stranger, "HTTP 401", ""),
        (hook.secret, "", f"webhook.created webhook {hook.pk}\n"),
    ):
        variables = {"SECRET": secret, "PORT": str(port)}
        with subprocess.Popen(
            [sys.executable, "-c", program], env=variables, stdout=subprocess.PIPE, text=True
        ) as receiver:
            try:
                wait_for(lambda: listens(port))
                Event.objects.exclude(aggregate="webhook").delete()
                relay()
            finally:
                receiver.terminate()
            assert receiver.stdout is not None
            assert receiver.stdout.read() == told
        hook.refresh_from_db()
        assert hook.last_error == failure


class Trickle:
    """A system that sends a byte now and then, and so never runs into a socket's timeout."""

    def __init__(self, begin: bytes, more: bytes) -> None:
        self.begin, self.more = begin, more
        self.is_over = threading.Event()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.door.getsockname()[1]}/"
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self) -> None:
        visitor, _address = self.door.accept()
        with visitor, suppress(OSError):
            visitor.recv(65536)
            visitor.sendall(self.begin)
            while not self.is_over.wait(0.05):
                visitor.sendall(self.more)

    def __enter__(self) -> "Trickle":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.door.close()


@pytest.mark.parametrize(
    ("begin", "more", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a", "no answer within"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", "no answer within"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 100000\r\n\r\n", b"a", "no answer within"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
            b"a",
            "",
        ),  # taken, whatever it goes on to say
    ],
)
def test_who_answers_byte_by_byte_is_cut_off(
    settings: Any,
    admin: User,
    monkeypatch: pytest.MonkeyPatch,
    begin: bytes,
    more: bytes,
    error: str,
) -> None:
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]
    monkeypatch.setattr(sending, "ANSWER", 0.4)
    with Trickle(begin, more) as other:
        hook = webhooks.create_webhook(actor=admin, url=other.url)
        relay()
    hook.refresh_from_db()
    assert hook.last_error.startswith(error)
    assert bool(hook.last_error) == bool(error)
    assert states(hook) == ["open" if error else "done"]


def test_its_dead_letters_are_listed_by_its_name(
    hook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("dead_letters", consumer=f"webhook-{hook.pk}")
    assert capsys.readouterr().out == "No dead letters.\n"


def test_what_comes_of_an_old_address_is_not_put_down_to_the_new_one(
    hook: Webhook, receiver: Receiver, admin: User
) -> None:
    outbox.publish([])
    [old] = webhooks.active_consumers()
    webhooks.update_webhook(actor=admin, webhook_id=hook.pk, url=receiver.url + "&new")
    event = Event.objects.get(type="webhook.created")
    for status in (500, 410):
        receiver.statuses.append(status)
        with pytest.raises(consumers.Unavailable):
            old.handle(event)
    now = Webhook.objects.get()
    assert (now.is_active, now.failing_since, now.last_error) == (True, None, "")


def test_what_it_is_stuck_at_can_be_set_aside(
    hook: Webhook, receiver: Receiver, admin: User, product: Product
) -> None:
    receiver.statuses.append(500)
    one = relay()
    webhooks.set_aside(actor=admin, webhook_id=hook.pk)
    one._pauses.clear()
    outbox.publish([])
    one.drain()
    assert receiver.told() == ["webhook.created", "product.created"]
    assert states(hook) == ["dead", "done"]
    [letter] = outbox.dead_letters()
    assert letter.last_error == "HTTP 500: no thanks"


# --- pausing, deleting


def test_what_happens_during_a_pause_is_not_sent(
    hook: Webhook, receiver: Receiver, admin: User, product: Product
) -> None:
    relay()
    webhooks.update_webhook(actor=admin, webhook_id=hook.pk, is_active=False)
    adjust_stock(actor=admin, product_id=product.pk, delta=1, reason="found")
    relay()
    webhooks.update_webhook(actor=admin, webhook_id=hook.pk, is_active=True)
    relay()
    assert receiver.told() == ["webhook.created", "product.created", "webhook.updated"]
    assert json.loads(receiver.got[-1][1])["payload"]["fields"] == ["is_active"]


def test_a_deleted_one_is_told_nothing_and_what_waited_is_forgotten(
    hook: Webhook, receiver: Receiver, admin: User
) -> None:
    outbox.publish([])
    webhooks.delete_webhook(actor=admin, webhook_id=hook.pk)
    relay()
    assert (receiver.got, Delivery.objects.count()) == ([], 0)
    with pytest.raises(NotFound):
        webhooks.get_webhook(hook.pk)
    assert Event.objects.filter(type="webhook.deleted").count() == 1


@pytest.mark.django_db(transaction=True)
def test_deleting_waits_for_a_relay_that_is_publishing(
    receiver: Receiver, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or that relay would leave messages for a webhook that is no more."""
    hook = webhooks.create_webhook(actor=admin, url=receiver.url)
    has_read, is_deleted = threading.Event(), threading.Event()

    def source() -> list[consumers.Consumer]:
        found = list(webhooks.active_consumers())
        has_read.set()
        is_deleted.wait(1)
        return found

    def delete() -> None:
        has_read.wait(PATIENCE)
        webhooks.delete_webhook(actor=admin, webhook_id=hook.pk)
        is_deleted.set()

    monkeypatch.setattr(consumers, "_sources", [source])
    results = in_parallel(lambda: outbox.publish([]), delete)
    assert [result for result in results if isinstance(result, Exception)] == []
    assert Delivery.objects.count() == 0


# --- several at once


@pytest.mark.django_db(transaction=True)
def test_one_that_does_not_answer_keeps_no_other_waiting(receiver: Receiver, admin: User) -> None:
    with Receiver() as slow:
        slow.may_answer.clear()
        webhooks.create_webhook(actor=admin, url=slow.url)
        webhooks.create_webhook(actor=admin, url=receiver.url, types=["order.placed"])
        quick = Webhook.objects.latest("pk")
        with running(
            outbox.Relay(threading.Event(), [], poll=0.05),
            WebhookRelay(threading.Event(), poll=0.05),
        ):
            slow.is_asked.wait(PATIENCE)
            for count in range(1, 4):
                webhooks.send_test(actor=admin, webhook_id=quick.pk)
                wait_for(lambda count=count: len(receiver.got) == count)  # type: ignore[misc]  # it may infer
            assert slow.got == []
            slow.may_answer.set()
            wait_for(lambda: not Delivery.objects.filter(state="open").exists())
    assert slow.told() == ["webhook.created", "webhook.created"]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_begun_for_whom_nothing_waits(receiver: Receiver, admin: User) -> None:
    webhooks.create_webhook(actor=admin, url=receiver.url, types=["order.placed"])
    one = relay()
    with CaptureQueriesContext(connection) as queries:
        one.round()
    assert (one._turns, len(queries)) == ({}, 1)
    hook = webhooks.create_webhook(actor=admin, url=receiver.url)
    outbox.publish([])
    one.round()
    one.farewell(PATIENCE)
    assert (list(one._turns), receiver.told()) == ([f"webhook-{hook.pk}"], ["webhook.created"])


@pytest.mark.django_db(transaction=True)
def test_an_end_waits_for_the_message_under_way(receiver: Receiver, admin: User) -> None:
    hook = webhooks.create_webhook(actor=admin, url=receiver.url)
    outbox.publish([])
    receiver.may_answer.clear()
    end = webhooks.start_thread()
    receiver.is_asked.wait(PATIENCE)
    threading.Timer(0.3, receiver.may_answer.set).start()
    end()
    assert (receiver.told(), states(hook)) == (["webhook.created"], ["done"])


@pytest.mark.django_db(transaction=True)
def test_relays_side_by_side_tell_each_event_once_and_in_sequence(
    receiver: Receiver, admin: User, make_product: Callable[..., Product]
) -> None:
    hook = webhooks.create_webhook(actor=admin, url=receiver.url)
    products = [make_product() for _ in range(4)]
    relays = [WebhookRelay(threading.Event(), poll=0.05) for _ in range(2)]
    with running(outbox.Relay(threading.Event(), [], poll=0.05), *relays):
        for _ in range(5):
            for product in products:
                adjust_stock(actor=admin, product_id=product.pk, delta=1, reason="found")
        wait_for(lambda: Delivery.objects.filter(state="done").count() == Event.objects.count())
    assert len(receiver.got) == Event.objects.count()
    by_source: dict[tuple[str, int], list[int]] = {}
    for _headers, body in receiver.got:
        event = json.loads(body)
        by_source.setdefault((event["aggregate"], event["aggregate_id"]), []).append(
            event["sequence"]
        )
    assert all(each == list(range(1, len(each) + 1)) for each in by_source.values())
    assert len(by_source) == 1 + 2 * len(products)
    assert states(hook).count("done") > 0


# --- where nothing goes


@pytest.mark.parametrize(
    ("address", "https", "http"),
    [
        ("8.8.8.8", True, False),
        ("2606:4700::1111", True, False),
        ("10.20.0.7", True, True),  # named in WEBHOOK_NETWORKS
        ("::ffff:10.20.0.7", True, True),
        ("10.21.0.7", False, False),
        ("127.0.0.1", False, False),
        ("::1", False, False),
        ("0.0.0.0", False, False),
        ("169.254.169.254", False, False),
        ("100.64.0.1", False, False),
        ("192.0.0.192", False, False),
        ("224.0.0.1", False, False),
        ("fe80::1%eth0", False, False),
        ("fd00::1", False, False),
        ("::ffff:127.0.0.1", False, False),
        ("64:ff9b::7f00:1", False, False),
        ("2002:7f00:1::", False, False),
        ("2001:0:1::7f00:1", False, False),
        ("::127.0.0.1", False, False),
        ("fec0::1", False, False),
        ("3fff::1", False, False),
    ],
)
def test_which_addresses_may_be_told(settings: Any, address: str, https: bool, http: bool) -> None:
    settings.WEBHOOK_NETWORKS = [ip_network("10.20.0.0/16")]
    allowed = [sending.objection(address, is_secret=secret) is None for secret in (True, False)]
    assert allowed == [https, http]


def test_a_name_that_leads_inside_is_not_followed(settings: Any, admin: User) -> None:
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]
    with Receiver() as inner:
        hook = webhooks.create_webhook(actor=admin, url=f"http://localhost:{inner.port}/")
        settings.WEBHOOK_NETWORKS = []
        relay()
        assert inner.got == []
    hook.refresh_from_db()
    assert "is not a public address" in hook.last_error


@contextmanager
def certified(folder: Path, name: str) -> Iterator[Receiver]:
    """A receiver with TLS and a certificate for `name`, which the whole machine trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    receiver = Receiver()
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    with pytest.MonkeyPatch.context() as patch, receiver:
        patch.setenv("SSL_CERT_FILE", str(pem))
        yield receiver


@pytest.mark.parametrize(
    ("name", "error"), [("localhost", ""), ("elsewhere.example", "doesn't match")]
)
def test_a_certificate_is_held_against_the_name_not_the_address(
    settings: Any, admin: User, tmp_path: Path, name: str, error: str
) -> None:
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
    with certified(tmp_path, name) as receiver:
        hook = webhooks.create_webhook(actor=admin, url=f"https://localhost:{receiver.port}/events")
        relay()
        assert len(receiver.got) == (0 if error else 1)
    hook.refresh_from_db()
    assert error in hook.last_error.lower()
    assert bool(hook.last_error) == bool(error)


# --- who may, and what


def test_only_administrators_manage_them(people: dict[Role, User], hook: Webhook) -> None:
    assert str(Permission.MANAGE_WEBHOOKS) == webhooks.MANAGE
    ways: list[Callable[[User], Any]] = [
        lambda actor: webhooks.create_webhook(actor=actor, url="https://a.example"),
        lambda actor: webhooks.update_webhook(
            actor=actor, webhook_id=hook.pk, url="https://b.example"
        ),
        lambda actor: webhooks.rotate_secret(actor=actor, webhook_id=hook.pk),
        lambda actor: webhooks.send_test(actor=actor, webhook_id=hook.pk),
        lambda actor: webhooks.retry_dead_letters(actor=actor, webhook_id=hook.pk),
        lambda actor: webhooks.set_aside(actor=actor, webhook_id=hook.pk),
        lambda actor: webhooks.delete_webhook(actor=actor, webhook_id=hook.pk),
    ]
    for way in ways:
        with pytest.raises(Denied):
            way(people[Role.MANAGER])
    for way in ways:
        way(people[Role.ADMIN])


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "ftp://example.com/x", "https://", "https://user:pass@example.com/",
        "https://example.com/#part", "https://example.com:99999/", "https://exa mple.com/", "https://example.com/\x00",
        "https://example.com/" + "x" * 500, "javascript:alert(1)", "https://\u2603.com/", "https://exa\u00b7mple.com/",
        "https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "http://example.com/",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(admin: User, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        webhooks.create_webhook(actor=admin, url=url)
    assert {error["pointer"] for error in refused.value.facts["errors"]} == {"/url"}
    assert Webhook.objects.count() == 0


def test_unknown_types_and_too_many_are_refused(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Invalid) as refused:
        webhooks.create_webhook(actor=admin, url="https://a.example", types=["order.eaten"])
    assert refused.value.facts["errors"][0]["pointer"] == "/types"
    monkeypatch.setattr("erp_site.core.webhooks.endpoints.MOST_WEBHOOKS", 1)
    webhooks.create_webhook(actor=admin, url="https://a.example")
    with pytest.raises(TooManyWebhooks):
        webhooks.create_webhook(actor=admin, url="https://b.example")


def test_events_of_a_webhook_tell_its_host_and_never_its_address_or_secret(
    hook: Webhook, admin: User
) -> None:
    webhooks.update_webhook(actor=admin, webhook_id=hook.pk, url="https://b.example/t0ken")
    webhooks.rotate_secret(actor=admin, webhook_id=hook.pk)
    told = list(Event.objects.order_by("sequence").values_list("type", "sequence", "payload"))
    assert told == [
        ("webhook.created", 1, {"host": "127.0.0.1", "types": []}),
        ("webhook.updated", 2, {"host": "b.example", "fields": ["url"]}),
        ("webhook.secret_changed", 3, {"host": "b.example"}),
    ]


def test_a_paused_one_cannot_be_tested(hook: Webhook, admin: User) -> None:
    webhooks.update_webhook(actor=admin, webhook_id=hook.pk, is_active=False)
    with pytest.raises(WebhookPaused):
        webhooks.send_test(actor=admin, webhook_id=hook.pk)


# --- pages


class TestPages:
    @pytest.fixture
    def desk(self, desk_of: Callable[[User], Client], admin: User) -> Client:
        return desk_of(admin)

    def test_it_is_added_changed_and_deleted(self, desk: Client) -> None:
        body = {"url": "https://erp.example/hook", "description": "NF-e", "types": ["order.placed"]}
        response = desk.post("/webhooks/new", body)
        hook = Webhook.objects.get()
        assert response["Location"] == f"/webhooks/{hook.pk}"
        assert (hook.url, hook.description, hook.types) == tuple(body.values())
        page = desk.get(f"/webhooks/{hook.pk}/edit").content.decode()
        assert 'value="order.placed" checked' in page
        assert page.count(" checked") == 1
        desk.post(f"/webhooks/{hook.pk}/edit", {**body, "types": ["stock.low", "order.cancelled"]})
        hook.refresh_from_db()
        assert hook.types == ["order.cancelled", "stock.low"]
        assert desk.post(f"/webhooks/{hook.pk}/delete")["Location"] == "/webhooks/"
        assert desk.get(f"/webhooks/{hook.pk}").status_code == 404

    def test_a_refused_form_says_where_and_keeps_what_was_typed(self, desk: Client) -> None:
        body = {"url": "erp.example", "description": "NF-e", "types": ["order.placed"]}
        response = desk.post("/webhooks/new", body)
        assert (response.status_code, list(response.context["form"].errors)) == (422, ["url"])
        page = response.content.decode()
        assert 'value="NF-e"' in page
        assert 'value="order.placed" checked' in page

    def test_the_secret_is_shown_when_asked_for_and_kept_by_no_cache(
        self, desk: Client, hook: Webhook
    ) -> None:
        assert hook.secret not in desk.get(f"/webhooks/{hook.pk}").content.decode()
        response = desk.post(f"/webhooks/{hook.pk}/secret")
        assert hook.secret in response.content.decode()
        assert "no-store" in response["Cache-Control"]
        desk.post(f"/webhooks/{hook.pk}/rotate")
        assert Webhook.objects.get().old_secret == hook.secret

    def test_the_page_shows_what_was_taken_and_what_was_refused(
        self, desk: Client, hook: Webhook, receiver: Receiver
    ) -> None:
        relay()
        receiver.statuses.append(503)
        desk.post(f"/webhooks/{hook.pk}/test")
        relay()
        response = desk.get(f"/webhooks/{hook.pk}")
        told = [(delivery.state, entry.kind.label) for delivery, entry in response.context["rows"]]
        assert told == [("open", "Webhook tested"), ("done", "Webhook added")]
        page = response.content.decode()
        assert "HTTP 503: no thanks" in page
        assert 'hx-trigger="every 1s"' in page
        assert "Does not answer" in page
        part = desk.get(f"/webhooks/{hook.pk}", headers={"HX-Request": "true"}).content.decode()
        assert part.strip().startswith('<div id="deliveries"')
        assert '<span id="state" hx-swap-oob="true"><span class="pill warn">' in part
        desk.post(f"/webhooks/{hook.pk}/set-aside")
        assert states(hook) == ["done", "dead"]
        Webhook.objects.update(is_active=False)  # given up
        answer = desk.get(f"/webhooks/{hook.pk}", headers={"HX-Request": "true"})
        assert answer["HX-Refresh"] == "true"

    def test_pausing_resuming_and_sending_once_more(
        self, desk: Client, hook: Webhook, receiver: Receiver
    ) -> None:
        desk.post(f"/webhooks/{hook.pk}/activity", {"is_active": "false"})
        assert not Webhook.objects.get().is_active
        assert desk.post(f"/webhooks/{hook.pk}/test").status_code == 409
        assert desk.post(f"/webhooks/{hook.pk}/activity", {"is_active": "?"}).status_code == 400
        desk.post(f"/webhooks/{hook.pk}/activity", {"is_active": "true"})
        outbox.publish([])
        Delivery.objects.update(state="dead")
        desk.post(f"/webhooks/{hook.pk}/retry")
        assert set(Delivery.objects.values_list("state", flat=True)) == {"open"}

    def test_three_messages_cost_as_many_statements_as_one(
        self,
        desk: Client,
        hook: Webhook,
        admin: User,
        place: Callable[..., Order],
        product: Product,
    ) -> None:
        counts = []
        for _ in range(2):
            place((product, 1))
            outbox.publish([])
            with CaptureQueriesContext(connection) as queries:
                desk.get(f"/webhooks/{hook.pk}")
            counts.append(len(queries))
        assert counts[0] == counts[1]

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.MANAGER])
    def test_nobody_else_sees_them(
        self, desk_of: Callable[[User], Client], people: dict[Role, User], hook: Webhook, role: Role
    ) -> None:
        client = desk_of(people[role])
        for path in ("", "new", f"{hook.pk}", f"{hook.pk}/edit"):
            assert client.get(f"/webhooks/{path}").status_code == 403
        for path in ("secret", "rotate", "activity", "test", "retry", "delete"):
            assert (
                client.post(f"/webhooks/{hook.pk}/{path}", {"is_active": "false"}).status_code
                == 403
            )
        assert (
            "/webhooks/" not in client.get("/").content.decode()
        )  # nor in what managers see of the activity


# --- API


class TestApi:
    @pytest.fixture
    def api(self, api_as: Callable[[User], Api], admin: User) -> Api:
        return api_as(admin)

    def test_it_is_added_read_changed_and_deleted(self, api: Api) -> None:
        body = {"url": "https://erp.example/hook", "description": "NF-e", "types": ["order.placed"]}
        made = api.post("/webhooks", body)
        hook = Webhook.objects.get()
        assert (made.status, made.headers["Location"]) == (201, f"/api/v1/webhooks/{hook.pk}")
        assert made.body["secret"] == hook.secret
        read = api.get(f"/webhooks/{hook.pk}").body
        assert read == {name: value for name, value in made.body.items() if name != "secret"}
        assert api.get("/webhooks").body["items"] == [read]
        changed = api.patch(f"/webhooks/{hook.pk}", {"is_active": False}).body
        assert {name for name in read if read[name] != changed[name]} == {"is_active", "updated_at"}
        assert api.delete(f"/webhooks/{hook.pk}").status == 204
        assert api.get(f"/webhooks/{hook.pk}").status == 404

    def test_what_is_wrong_is_named(self, api: Api) -> None:
        wrong = api.post("/webhooks", {"url": "erp.example", "types": ["order.eaten"]})
        assert [each["pointer"] for each in wrong.body["errors"]] == ["/types"]
        wrong = api.post("/webhooks", {"url": "erp.example"})
        assert (wrong.status, wrong.body["errors"][0]["pointer"]) == (422, "/url")

    def test_it_is_tested_given_a_new_secret_and_sent_what_it_refused(
        self, api: Api, hook: Webhook, receiver: Receiver
    ) -> None:
        assert api.post(f"/webhooks/{hook.pk}/test", None).status == 204
        relay()
        assert receiver.told()[-1] == "webhook.tested"
        secret = api.post(f"/webhooks/{hook.pk}/secret", None).body["secret"]
        assert secret == Webhook.objects.get().secret != hook.secret
        Delivery.objects.update(state="dead")
        assert api.get(f"/webhooks/{hook.pk}").body["refused"] == 2
        assert api.post(f"/webhooks/{hook.pk}/retry", None).body == {"count": 2}
        api.patch(f"/webhooks/{hook.pk}", {"is_active": False})
        assert api.post(f"/webhooks/{hook.pk}/test", None).body["code"] == "webhook_paused"

    def test_three_cost_as_many_statements_as_one(self, api: Api, admin: User) -> None:
        counts = []
        for _ in range(3):
            webhooks.create_webhook(actor=admin, url="https://a.example")
            with CaptureQueriesContext(connection) as queries:
                api.get("/webhooks")
            counts.append(len(queries))
        assert counts[0] == counts[2]
