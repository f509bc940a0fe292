"""Webhooks: each event that another system wants is posted to it, signed and in sequence, until it takes it.

A webhook is a consumer of the outbox like any other (see `consumers`), only that people add it while the site runs.
"""

from .endpoints import (
    MANAGE,
    MOST_WEBHOOKS,
    active_consumers,
    counts_of,
    create_webhook,
    delete_webhook,
    deliveries_of,
    get_webhook,
    retry_dead_letters,
    rotate_secret,
    send_test,
    set_aside,
    update_webhook,
    webhooks,
)
from .relay import drain, start_thread

__all__ = [
    "MANAGE",
    "MOST_WEBHOOKS",
    "active_consumers",
    "counts_of",
    "create_webhook",
    "delete_webhook",
    "deliveries_of",
    "drain",
    "get_webhook",
    "retry_dead_letters",
    "rotate_secret",
    "send_test",
    "set_aside",
    "start_thread",
    "update_webhook",
    "webhooks",
]
