"""One message to one webhook: signed as Standard Webhooks 1.0 says, and to no address that it must not reach.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import functools
import socket
from contextlib import suppress
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from django.conf import settings
from standardwebhooks import Webhook as Signer
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url

from erp_site.core import clock
from erp_site.core.answers import to_json
from erp_site.core.events import as_record
from erp_site.core.models import Event, Webhook

CONNECT: Final = 5.0  # seconds
ANSWER: Final = 10.0  # seconds; with looking the name up, less than a lease (see outbox.LEASE)
LARGEST_ANSWER: Final = 16 * 1024  # bytes that are read, so that the connection can be kept
SHOWN: Final = 200  # characters of an answer that people are told
USER_AGENT: Final = "ERP-Pedidos-Webhook/1"
#: Through these an IPv6 address leads to an IPv4 one, which may be an inner one.
_TUNNELS: Final = tuple(
    map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
)

#: This event is not wanted as it is: 400, 409, 413, 415 and 422 blame what was sent, anything else who was asked.
REFUSALS: Final = frozenset({400, 409, 413, 415, 422})


class Away(Exception):
    """Nobody is there who would take any event."""


class Gone(Away):
    """The other side says that this address is no more (410)."""


class Refused(Exception):
    """The other side is there, and does not take this event."""


def send(webhook: Webhook, event: Event) -> None:
    """Post the event. Answers when the other side has taken it (2xx).

    Raises:
        Away, Gone, Refused
    """
    url = parse_url(webhook.url)
    body = to_json(as_record(event))
    headers = {
        "Host": url.netloc or "",
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        **signatures(webhook, str(event.uid), body.decode(), clock.now()),
    }
    pool = _pool(url.scheme or "", _address_of(url), _port_of(url), _host_of(url))
    try:
        response = pool.urlopen(
            "POST", url.request_uri, body=body, headers=headers, redirect=False, preload_content=False
        )  # fmt: skip
    except HTTPError as error:
        raise Away(str(error)) from error
    said = b""
    with suppress(HTTPError):  # what it says besides the status decides nothing
        said = response.read(LARGEST_ANSWER)
        if not response.read(1):
            response.release_conn()
    response.close()
    _judge(response.status, said)


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


def _judge(status: int, said: bytes) -> None:
    if 200 <= status < 300:
        return
    words = " ".join(said.decode(errors="replace").split())[:SHOWN]
    answer = f"HTTP {status}" + (f": {words}" if words else "")
    if status == 410:
        raise Gone(answer)
    if status in REFUSALS:
        raise Refused(answer)
    raise Away(answer)


@functools.lru_cache(maxsize=64)
def _pool(scheme: str, address: str, port: int, host: str) -> HTTPConnectionPool:
    """Connections to one address, kept between messages. The certificate is checked for the host's name."""
    timeout = Timeout(connect=CONNECT, read=ANSWER)
    if scheme == "https":
        return HTTPSConnectionPool(
            address, port, timeout=timeout, retries=False, server_hostname=host, assert_hostname=host
        )  # fmt: skip
    return HTTPConnectionPool(address, port, timeout=timeout, retries=False)


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
    if any(ip in tunnel for tunnel in _TUNNELS):
        return False
    return ip.is_global and not ip.is_multicast


def _host_of(url: Url) -> str:
    return (url.host or "").strip("[]")


def _port_of(url: Url) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
