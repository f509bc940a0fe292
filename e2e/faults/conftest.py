"""Sites to be flooded and broken, on the engine that DATABASE_URL names; the suite's own database is not touched."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from e2e.faults.desk import Desk, administrator
from e2e.server import Redis, Site
from erp_site.settings import env

REPORT = pytest.StashKey[list[str]]()


#: A SQLite file is no server that could go away.
collect_ignore = [] if urlsplit(env.DATABASE_URL).scheme == "mysql" else ["test_outages.py"]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORT] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if lines := config.stash[REPORT]:
        terminalreporter.section(f"Measured on {urlsplit(env.DATABASE_URL).scheme}")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say what was measured, in the summary at the end."""
    name = request.node.name
    return lambda figures: request.config.stash[REPORT].append(f"{name}: {figures}")


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    if not Redis.is_installed():
        pytest.skip("redis-server is not installed, so there is no Redis that may be stopped")
    with Redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture(scope="session")
def site(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Site]:
    """MySQL or MariaDB with Redis and two worker processes; or SQLite, which has one, with nothing else."""
    redis_url = ""
    if on_mysql():
        redis_url = (
            request.getfixturevalue("redis").url if Redis.is_installed() else env.REDIS_URL or ""
        )
    yield from running(tmp_path_factory.mktemp("site"), redis_url)


@pytest.fixture(scope="session")
def site_with_redis(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, redis: Redis
) -> Iterator[Site]:
    """A site on the Redis that may be stopped, SQLite's too."""
    if on_mysql():
        yield request.getfixturevalue("site")
    else:
        yield from running(tmp_path_factory.mktemp("site"), redis.url)


def on_mysql() -> bool:
    return urlsplit(env.DATABASE_URL).scheme == "mysql"


def database_url(folder: Path) -> str:
    """A database that does not exist yet, on the server of DATABASE_URL or in a file."""
    if not on_mysql():
        return f"sqlite:///{folder}/erp.sqlite3"
    parts = urlsplit(env.DATABASE_URL)
    # Begins like the suite's own database, which a test account may create.
    name = f"test_{parts.path.lstrip('/')}_faults_{secrets.token_hex(4)}"
    return parts._replace(path=f"/{name}").geturl()


def running(folder: Path, redis_url: str) -> Iterator[Site]:
    """The site, and afterwards proof that nothing was left half done and nothing surprised it."""
    with ExitStack() as stack:
        site = Site(folder, database_url(folder), redis_url=redis_url)
        stack.callback(site.drop_database)
        yield stack.enter_context(site)
        assert_sound(site)


def assert_sound(site: Site) -> None:
    """check_integrity finds nothing, and the log has no crash."""
    checked = site.manage("check_integrity")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    log = site.log.read_text()
    crashes = [word for word in ("unhandled", "Traceback", "relay_failed") if word in log]
    assert crashes == [], site.last_words()


@pytest.fixture
def desk(site: Site) -> Iterator[Desk]:
    """The administrator's."""
    with administrator(site) as desk:
        yield desk


@pytest.fixture
def customer(desk: Desk) -> int:
    return desk.make_customer()
