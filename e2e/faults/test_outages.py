"""A database server that goes away or hangs: 503 with Retry-After, nothing half done, and back by itself.

Collected where DATABASE_URL names MySQL or MariaDB: a SQLite file is no server that could go away.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from e2e.faults.conftest import assert_sound
from e2e.faults.desk import TIMEOUT, administrator
from e2e.faults.trade import Trade, open_trade
from e2e.server import MariaDB, Site

pytestmark = pytest.mark.load

RECOVERED_WITHIN = 10.0  # seconds after the database answers again


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    if not MariaDB.is_installed():
        pytest.skip("mariadbd is not installed, so there is no database server that may be killed")
    with MariaDB(tmp_path_factory.mktemp("mariadb")) as database:
        yield database


@pytest.fixture(scope="module")
def site_on_it(database: MariaDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    with Site(folder, database.url("erp")) as site:
        yield site
        assert_sound(site)


@pytest.fixture
def trade(site_on_it: Site) -> Iterator[Trade]:
    with administrator(site_on_it) as desk:
        yield open_trade(desk)


def statuses(site: Site) -> list[int]:
    """Of /health/live and /health/ready."""
    return [
        httpx.get(f"{site.url}/health/{name}", timeout=30).status_code for name in ("live", "ready")
    ]


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_database_that_goes_away_is_503_and_the_site_recovers_by_itself(
    database: MariaDB, site_on_it: Site, trade: Trade, how: str, report: Callable[[str], None]
) -> None:
    outages, longest = 5, 0.0
    with trade.going_on():
        for _ in range(outages):
            trade.wait_for(50, seconds=60)
            database.stop() if how == "stopped" else database.kill()
            time.sleep(2)
            assert statuses(site_on_it) == [200, 503]
            database.start()
            longest = max(longest, trade.wait_for(1, seconds=RECOVERED_WITHIN))
            assert statuses(site_on_it) == [200, 200]
    assert trade.weather.happened["503"] >= outages
    assert trade.weather.happened["cut off"] == 0, "the site itself was never away"
    trade.assert_exact()
    report(f"{outages} outages, first order at most {longest:.1f} s after each; {trade}")


def test_a_database_that_hangs_for_seconds_loses_nothing(
    database: MariaDB, trade: Trade, report: Callable[[str], None]
) -> None:
    with trade.going_on():
        for _ in range(3):
            trade.wait_for(50, seconds=60)
            database.hang()
            time.sleep(5)
            database.resume()
            trade.wait_for(1, seconds=RECOVERED_WITHIN)
    trade.assert_exact()
    report(f"3 x 5 s; {trade}")


def test_a_database_that_hangs_for_long_is_503_and_not_waited_for(
    database: MariaDB, trade: Trade, report: Callable[[str], None]
) -> None:
    """As when its host vanishes from the network without a word: nothing closes the connections."""
    with trade.going_on():
        trade.wait_for(50, seconds=60)
        database.hang()
        began = time.monotonic()
        try:
            while not trade.weather.happened["503"]:
                assert time.monotonic() - began < TIMEOUT, "no client is told anything"
                time.sleep(0.1)
            told = time.monotonic() - began
            time.sleep(10)
        finally:
            database.resume()
        # Transactions of connections that were given up end first: their commands lie in the sockets.
        trade.wait_for(50, seconds=30)
    assert trade.weather.happened["cut off"] == 0
    trade.assert_exact()
    report(f"first 503 after {told:.1f} s; {trade}")
