"""Nothing acknowledged is lost and nothing is booked twice when processes are killed under load."""

import random
import time
from collections.abc import Callable

import pytest

from e2e.faults.conftest import assert_sound
from e2e.faults.desk import Desk
from e2e.faults.trade import open_trade
from e2e.server import PATIENCE, Site

EVERY_TENTH = 10


def wait_for_workers(site: Site, number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(site.workers()) < number or not site.answers():
        assert time.monotonic() < deadline, "the killed worker was not replaced"
        time.sleep(0.02)


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.load)])
def test_killed_servers_lose_no_acknowledged_order_and_double_none(
    site: Site, desk: Desk, kills: int, report: Callable[[str], None]
) -> None:
    """Workers die in mid-request; every tenth time the whole site does, as in a power cut."""
    trade = open_trade(desk)
    workers = len(site.workers())
    assert workers == (2 if site.engine == "mysql" and site.environment()["REDIS_URL"] else 1)
    with trade.going_on():
        for kill in range(1, kills + 1):
            trade.wait_for(10, seconds=PATIENCE)
            time.sleep(random.uniform(0, 0.2))
            if kill % EVERY_TENTH:
                random.choice(site.workers()).kill()
            else:
                site.kill()
                site.start()
            wait_for_workers(site, workers)
        trade.wait_for(10, seconds=PATIENCE)
    assert trade.weather.happened["cut off"] >= kills, "the kills met no request"
    trade.assert_exact()
    assert_sound(site)
    report(f"{kills} kills; {trade}")
