"""The relay: gives committed events their place in the feed and brings them to the consumers.

Business transactions only write Event rows. Any number of relays, threads or processes, share the rest:

- `publish` numbers the events that have no position yet and writes one open Delivery for each consumer;
- `claim` leases deliveries to one relay: of an aggregate always the oldest open ones, so that a consumer
  sees each aggregate in sequence;
- the relay calls the consumer, outside any transaction, and `settle` writes down what came of it.

A relay that dies leaves leases behind, which expire: everything is delivered at least once.
"""

from .claiming import FIRST_BACK_OFF, LEASE, Claim, Outcome, back_off, claim, settle
from .finished import dead_letters, prune, revive
from .publishing import BATCH, FEED_ID, publish, unpublished
from .relay import FIRST_CLAIM, STRIDE, Relay, run, start_thread
from .standing import State, counts, lag, waiting
from .waking import POLL, WAKE_CHANNEL, wake

__all__ = [
    "BATCH",
    "FEED_ID",
    "FIRST_BACK_OFF",
    "FIRST_CLAIM",
    "LEASE",
    "POLL",
    "STRIDE",
    "WAKE_CHANNEL",
    "Claim",
    "Outcome",
    "Relay",
    "State",
    "back_off",
    "claim",
    "counts",
    "dead_letters",
    "lag",
    "prune",
    "publish",
    "revive",
    "run",
    "settle",
    "start_thread",
    "unpublished",
    "waiting",
    "wake",
]
