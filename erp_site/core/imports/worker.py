"""The worker: a loop that leases jobs, gives each its turns, and deletes old ones."""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from multiprocessing.util import Finalize
from typing import Final

import structlog
from django.db import connection, connections, transaction
from django.db.models import Q

from erp_site.core import clock
from erp_site.core.models import ImportJob
from erp_site.core.schema import missing_migrations
from erp_site.core.transactions import retrying_atomic

from .jobs import ACTIVE, stop
from .turns import AWAY, LEASE, LeaseLost, Tables, Turn
from .waking import bell, wait

log = structlog.get_logger(__name__)

POLL: Final = 1.0  # seconds between two looks when nobody rings
LONGEST_OUTAGE_PAUSE: Final = 5.0  # seconds
KEEP: Final = timedelta(days=30)  # files hold people's data
PRUNE_EVERY: Final = 3600.0  # seconds


def _waiting(now: datetime) -> Q:
    return Q(state__in=ACTIVE) & (Q(leased_until=None) | Q(leased_until__lte=now))


def claim() -> ImportJob | None:
    """Lease the job that waits longest for its turn."""
    if not ImportJob.objects.filter(_waiting(clock.now())).exists():
        return None  # an idle worker locks nothing
    return _lease()


@retrying_atomic
def _lease() -> ImportJob | None:
    now = clock.now()
    # Without this lock two workers begin the same row; the loser's work would be rolled back, but done.
    job = (
        ImportJob.objects.select_for_update(skip_locked=True)
        .filter(_waiting(now))
        .order_by("leased_until", "pk")
        .first()
    )
    if job is None:
        return None
    job.lease, job.leased_until = uuid.uuid4().hex, now + LEASE
    job.save(update_fields=["lease", "leased_until"])
    return job


def work(stopping: threading.Event, tables: Tables) -> bool:
    """Give one job its turn. False: none is waiting."""
    job = claim()
    if job is None:
        return False
    try:
        if not job.owner.is_active:
            stop(actor=job.owner, job_id=job.pk)
            return True
        Turn(job, tables).run(stopping)
    except LeaseLost:
        log.info("import_lease_lost", job=job.pk)
    except AWAY:
        raise  # not the job's fault: it goes on later
    except Exception:  # taken up again it would fail again, before all other imports
        log.exception("import_stopped", job=job.pk)
        stop(actor=job.owner, job_id=job.pk)
    return True


def prune() -> int:
    """Delete imports of more than 30 days ago with their files. Returns how many."""
    old = ImportJob.objects.filter(created_at__lt=clock.now() - KEEP).exclude(state__in=ACTIVE)
    count = 0
    for pk in old.values_list("pk", flat=True)[:100]:
        with transaction.atomic():
            ImportJob.objects.filter(pk=pk).delete()
        count += 1
    return count


def run(stopping: threading.Event, *, once: bool = False) -> None:
    """Work until `stopping`; with `once`, until no job is waiting. Waits for the database and its migrations."""
    pause = prune_at = 0.0
    tables = Tables()
    migrated = False
    while not stopping.is_set():
        bell.clear()
        try:
            migrated = migrated or not missing_migrations()
            if not migrated:  # the relay beside it says so
                wait(stopping, POLL)
                continue
            worked = work(stopping, tables)
            if time.monotonic() >= prune_at:
                prune_at = time.monotonic() + PRUNE_EVERY
                prune()
        except Exception as error:
            connection.close()
            if not pause and isinstance(error, AWAY):
                log.warning("import_waits_for_database", error=str(error))
            elif not pause:
                log.exception("import_failed")
            pause = min(LONGEST_OUTAGE_PAUSE, pause * 2 or POLL / 2)
            wait(stopping, pause)
            continue
        pause = 0.0
        if worked:
            continue
        tables.forget()
        if once:
            return
        wait(stopping, POLL)


def start_thread() -> Callable[[], None]:
    """The worker as a daemon thread of this process; call what is returned to stop it between two rows."""
    stopping = threading.Event()

    def target() -> None:
        try:
            run(stopping)
        finally:
            connections.close_all()  # this thread's own

    def end() -> None:
        stopping.set()
        bell.set()
        thread.join(timeout=2)

    thread = threading.Thread(target=target, name="imports", daemon=True)
    thread.start()
    # Not atexit: a worker forked by multiprocessing runs these alone.
    Finalize(None, end, exitpriority=100)
    return end
