"""One message to one webhook: signed as Standard Webhooks 1.0 says, and to no address that it must not reach.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from http.client import HTTPException
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from django.conf import settings
from standardwebhooks import Webhook as Signer
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url

from erp_site.core import clock
from erp_site.core.answers import to_json
from erp_site.core.events import as_record
from erp_site.core.models import Event, Webhook

CONNECT: Final = 5.0  # seconds, for each of the connection and its TLS
ANSWER: Final = (
    10.0  # seconds for the whole answer; all together is less than a lease (see outbox.LEASE)
)
SHOWN: Final = 200  # characters of an answer that people are told
USER_AGENT: Final = "ERP-Pedidos-Webhook/1"
#: All public IPv6 addresses lie in the first. Through two of the others one leads to an IPv4 address, which may be an
#: inner one; the third is for documents.
_GLOBAL: Final = IPv6Network("2000::/3")
_CLOSED: Final = tuple(map(IPv6Network, ("2001::/32", "2002::/16", "3fff::/20")))
#: Of IETF protocols; some clouds tell a machine its own secrets there. Python before 3.12.4 takes it for public.
_CLOSED_IPV4: Final = IPv4Network("192.0.0.0/24")

#: What goes wrong on the way there and back; a certificate for another name is a ValueError.
UNSENT: Final = (HTTPError, HTTPException, OSError, ValueError)
#: This event is not wanted as it is: 400, 409, 413, 415 and 422 blame what was sent, anything else who was asked.
REFUSALS: Final = frozenset({400, 409, 413, 415, 422})


class Away(Exception):
    """Nobody is there who would take any event. What it says in words may be as secret as the address."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status

    @property
    def for_everybody(self) -> str:
        """As much of it as events and logs may tell."""
        return f"HTTP {self.status}" if self.status else "no answer"


class Gone(Away):
    """The other side says that this address is no more (410)."""


class Refused(Exception):
    """The other side is there, and does not take this event."""


def send(webhook: Webhook, event: Event) -> None:
    """Post the event. Returns when the other side has taken it (2xx).

    Raises:
        Away, Gone, Refused
    """
    body = to_json(as_record(event))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        **signatures(webhook, str(event.uid), body.decode(), clock.now()),
    }
    try:
        status, said = _post(parse_url(webhook.url), body, headers)
    except UNSENT as error:
        raise Away(str(error) or type(error).__name__) from error
    _judge(status, said)


def _post(url: Url, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """The status, and the beginning of what is said besides, unless all is well.

    A connection of its own for each message: nothing of one answer can be taken for the next.
    """
    with closing(_connection_to(url)) as connection:
        connection.connect()
        connection.sock.settimeout(ANSWER)
        with _deadline(connection, ANSWER) as is_over:
            try:
                connection.request(
                    "POST", url.request_uri, body, {"Host": url.netloc or "", **headers},
                    preload_content=False, decode_content=False,
                )  # fmt: skip
                with closing(connection.getresponse()) as response:
                    said = b"" if _is_taken(response.status) else response.read(SHOWN)
            except UNSENT as error:
                raise Away(_LATE if is_over.is_set() else str(error)) from error
            if is_over.is_set():  # cut off among the headers, which looks like their end
                raise Away(_LATE)
        return response.status, said


_LATE: Final = f"no answer within {ANSWER:.0f} s"


@contextmanager
def _deadline(connection: HTTPConnection, seconds: float) -> Iterator[threading.Event]:
    """Cuts the connection off then. A socket's own timeout begins anew with each byte, so whoever sends one now and
    then would keep the webhook's thread, and its lease, for ever."""
    is_over = threading.Event()

    def cut() -> None:
        is_over.set()
        with suppress(OSError, AttributeError):  # closed by now
            socket.socket.shutdown(
                connection.sock, socket.SHUT_RDWR
            )  # below TLS, which would wait for its other side

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()


def signatures(webhook: Webhook, message_id: str, body: str, now: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks; for a while after a change the old secret signs, too."""
    secrets = [webhook.secret]
    if webhook.old_secret_until and now < webhook.old_secret_until:
        secrets.append(webhook.old_secret)
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": " ".join(
            Signer(secret).sign(message_id, now, body) for secret in secrets
        ),
    }


def _is_taken(status: int) -> bool:
    return 200 <= status < 300


def _judge(status: int, said: bytes) -> None:
    if _is_taken(status):
        return
    words = " ".join(said.decode(errors="replace").split())
    answer = f"HTTP {status}" + (f": {words}" if words else "")
    if status == 410:
        raise Gone(answer, status=status)
    if status in REFUSALS:
        raise Refused(answer)
    raise Away(answer, status=status)


def _connection_to(url: Url) -> HTTPConnection:
    """To the address that was checked; the certificate is held against the host's name."""
    address, host = _address_of(url), _host_of(url)
    if url.scheme == "https":
        return HTTPSConnection(
            address, _port_of(url), timeout=CONNECT, server_hostname=host, assert_hostname=host
        )
    return HTTPConnection(address, _port_of(url), timeout=CONNECT)


def _address_of(url: Url) -> str:
    """The host's address, looked up once: what was checked is what is connected to.

    Raises:
        Away: there is no such host, or it is one that a webhook must not reach.
    """
    host = _host_of(url)
    try:
        found = socket.getaddrinfo(host, _port_of(url), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Away(f"{host}: {error}") from error
    addresses = [str(each[4][0]) for each in found]
    for address in addresses:
        if reason := objection(address, is_secret=url.scheme == "https"):
            raise Away(f"{host}: {reason}")
    return addresses[0]


def may_be_reached(url: str) -> bool:
    """False for an address of numbers that no message would be sent to. Names are looked up when there is one."""
    parts = parse_url(url)
    try:
        return objection(_host_of(parts), is_secret=parts.scheme == "https") is None
    except ValueError:  # a name
        return True


def objection(address: str, *, is_secret: bool) -> str | None:
    """Why nothing may be sent to this address; None if it may.

    An event must not be a way into the house: who may add webhooks could ask the machines beside the server otherwise.
    Inner networks are allowed by name (WEBHOOK_NETWORKS), and there alone messages may go without TLS.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if any(ip in network for network in settings.WEBHOOK_NETWORKS):
        return None
    if not _is_public(ip):
        return f"{address} is not a public address (WEBHOOK_NETWORKS can allow it)"
    return (
        None if is_secret else "without https messages go to the networks of WEBHOOK_NETWORKS alone"
    )


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address) and (ip not in _GLOBAL or any(ip in net for net in _CLOSED)):
        return False
    return ip.is_global and not ip.is_multicast and ip not in _CLOSED_IPV4


def _host_of(url: Url) -> str:
    return (url.host or "").strip("[]")


def _port_of(url: Url) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
