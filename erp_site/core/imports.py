"""Imports: a file that is checked row by row without writing anything, then applied row by row, in the background.

What can be imported is registered by the site as a `Kind`: its fields, and the service that each row goes
through. A job and its file are rows of the database, so any process may work on it and none loses it:

- `claim` leases a job to one worker; a lease that ran out, after a crash, is anybody's again;
- checking runs the service of every row and rolls it back, so it finds exactly what applying would refuse;
- applying writes a row, what came of it and how far the job is in ONE transaction: after `kill -9` the next
  worker goes on behind the last row that was committed, and no row is applied twice.
"""

import threading
import time
import uuid
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.util import Finalize
from typing import Any, Final, Protocol

import structlog
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from django.db.models import F, Q
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from . import clock, request_id
from .errors import Busy, Conflict, DomainError, FieldError, NotFound
from .models import ImportFile, ImportJob, ImportRow
from .schema import missing_migrations
from .search import fold
from .statements import Insert
from .tabular import (
    Cell,
    DecimalMark,
    Line,
    Table,
    Unreadable,
    as_amount,
    as_text,
    as_whole,
    decimal_mark,
    read_table,
)
from .transactions import retrying_atomic
from .validation import refuse

log = structlog.get_logger(__name__)

State, Outcome = ImportJob.State, ImportRow.Outcome
ACTIVE: Final = (State.CHECKING, State.APPLYING)

POLL: Final = 1.0  # seconds between two looks when nobody rings
SLICE: Final = 5.0  # seconds that a job gets before others have their turn
LEASE: Final = timedelta(seconds=30)  # longer than any one row may take
BATCH: Final = 50  # rows checked between two notes of how far it is
LONGEST_OUTAGE_PAUSE: Final = 5.0  # seconds
KEEP: Final = timedelta(days=30)  # files hold people's data
PRUNE_EVERY: Final = 3600.0  # seconds
#: What says that the database is away or busy. Any other error of it comes again, however often the job goes on.
AWAY: Final = (OperationalError, InterfaceError, Busy)
LONGEST_SHOWN: Final = 100  # characters of a wrong value
SAMPLE: Final = 3  # rows shown while the columns are chosen
KEYS: Final = 500  # records looked for at once


class Owner(Protocol):
    """Who imports: decided anew with every turn, so that a role taken away ends the import."""

    @property
    def pk(self) -> Any: ...

    is_active: bool
    language: str

    def has_perm(self, perm: str, /) -> bool: ...


# --- what can be imported


@dataclass(
    frozen=True, eq=False
)  # told apart as objects: a label's hash is another in another language
class Field:
    """One thing a column may hold. `names` are headings it is recognised by, besides its label in any language."""

    name: str
    label: str | Promise
    parse: Callable[[Cell, DecimalMark], Any]
    names: tuple[str, ...] = ()
    is_required: bool = False
    is_for_new: bool = False
    """A row that makes a new record needs it; one that changes a record does not."""
    hint: str | Promise = ""


@dataclass(frozen=True)
class Kind:
    """One sort of import. `apply(actor=..., **values)` gets what a row holds, without its empty cells."""

    name: str
    label: str | Promise
    permission: str
    fields: tuple[Field, ...]
    apply: Callable[..., str]
    """Writes one row in the caller's transaction; answers an Outcome, refuses with a DomainError."""
    knows: Callable[[Sequence[str]], bool] = lambda _keys: True
    """Is there a record of any of these keys?"""

    @property
    def key(self) -> Field:
        """The field by which a row finds its record: the first."""
        return self.fields[0]

    def lacking(self, columns: Container[str]) -> list[Field]:
        """What a new record needs and none of these columns holds."""
        return [field for field in self.fields if field.is_for_new and field.name not in columns]


_kinds: Final[dict[str, Kind]] = {}


def register(kind: Kind) -> None:
    """From now on such files can be imported."""
    _kinds[kind.name] = kind


def kinds() -> Mapping[str, Kind]:
    return _kinds


def guess_columns(kind: Kind, header: Sequence[str]) -> dict[str, int]:
    """Which column holds which field, by the headings; a field's first name counts most."""
    headings = [_plain(name) for name in header]
    found: dict[str, int] = {}
    for field in kind.fields:
        for name in _names(field):
            if name in headings and headings.index(name) not in found.values():
                found[field.name] = headings.index(name)
                break
    return found


def _names(field: Field) -> list[str]:
    labels = []
    for code in ("pt-br", "en"):
        with translation.override(code):
            labels.append(str(field.label))
    return [_plain(name) for name in (*labels, *field.names)]


def _plain(name: str) -> str:
    return "".join(c for c in fold(name) if c.isalnum())


# --- what people do


class NotPossibleNow(Conflict):
    """The import has gone on meanwhile; `state` says where it is."""

    code = "import_state"
    title = "Not possible now"


def create_job(*, actor: Owner, kind: str, file_name: str, content: bytes) -> ImportJob:
    """Keep the file, and guess what its columns hold.

    Raises:
        Invalid: the file cannot be read; see tabular.read_table.
    """
    # Before the transaction: reading a workbook takes seconds, in which nobody else could write to SQLite.
    table = read_table(content)
    columns = guess_columns(_kinds[kind], table.header)
    numbers = [
        line.cells[columns[field.name]]
        for line in table.lines[:200]
        for field in _kinds[kind].fields
        if field.name in columns and field.parse in {as_amount, as_whole}
    ]
    return _keep(
        content,
        kind=kind,
        owner_id=actor.pk,
        file_name=file_name[:255],
        header=table.header,
        sample=[[as_text(cell)[:60] for cell in line.cells] for line in table.lines[:SAMPLE]],
        columns=columns,
        decimal_mark=decimal_mark(numbers, table.delimiter),
        total=len(table.lines),
        created_at=clock.now(),
    )


@retrying_atomic
def _keep(content: bytes, **values: Any) -> ImportJob:
    job = ImportJob.objects.create(**values)
    ImportFile.objects.create(job=job, content=content)
    return job


def get_job(actor: Owner, job_id: int) -> ImportJob:
    """One of one's own imports.

    Raises:
        NotFound: there is no such import, or it is somebody else's.
    """
    job = ImportJob.objects.filter(pk=job_id, owner_id=actor.pk).first()
    if job is None or job.kind not in _kinds:
        raise NotFound(_("There is no such import."), import_id=job_id)
    return job


def start_check(
    *, actor: Owner, job_id: int, columns: Mapping[str, int], mark: DecimalMark
) -> None:
    """Try every row without writing anything.

    Raises:
        Invalid: no row would be taken, since all are new and something that a new record needs has no column.
    """
    job = get_job(actor, job_id)
    lacking = _kinds[job.kind].lacking(columns)
    # Said once here and not of each row. A file that changes what is there may well leave the rest out.
    if lacking and not _has_known(job, columns, mark):
        message = _("Choose a column: every row of this file is new, and needs this.")
        refuse(
            [FieldError(pointer=f"/{it.name}", code="missing", detail=message) for it in lacking]
        )
    _start_check(actor, job_id, columns, mark)


def _has_known(job: ImportJob, columns: Mapping[str, int], mark: DecimalMark) -> bool:
    kind = _kinds[job.kind]
    keys = []
    for line in read_table(bytes(job.file.content)).lines:
        with suppress(Unreadable):
            keys.append(kind.key.parse(line.cells[columns[kind.key.name]], mark))
    return any(kind.knows(keys[at : at + KEYS]) for at in range(0, len(keys), KEYS))


@retrying_atomic
def _start_check(actor: Owner, job_id: int, columns: Mapping[str, int], mark: DecimalMark) -> None:
    _move(
        actor, job_id, (State.MAPPING, State.CHECKED), State.CHECKING,
        columns=dict(columns), decimal_mark=mark, **_FROM_THE_START,
    )  # fmt: skip


@retrying_atomic
def choose_columns(*, actor: Owner, job_id: int) -> None:
    """Back to the choice of columns; nothing was written yet."""
    _move(actor, job_id, (State.CHECKED,), State.MAPPING)


@retrying_atomic
def start_apply(*, actor: Owner, job_id: int) -> None:
    """Write every row that can be written."""
    _move(actor, job_id, (State.CHECKED,), State.APPLYING, **_FROM_THE_START)


@retrying_atomic
def stop(*, actor: Owner, job_id: int) -> None:
    """End it where it is. What was applied stays applied; what was only checked is forgotten."""
    now = clock.now()
    try:
        _move(actor, job_id, (State.APPLYING,), State.STOPPED, finished_at=now)
    except NotPossibleNow:
        before = (State.MAPPING, State.CHECKING, State.CHECKED)
        _move(actor, job_id, before, State.STOPPED, finished_at=now, **_FROM_THE_START)


_FROM_THE_START: Final[Mapping[str, Any]] = {
    "position": 0, "created": 0, "updated": 0, "unchanged": 0, "failed": 0, "lease": "", "leased_until": None,
}  # fmt: skip


def _move(actor: Owner, job_id: int, before: Iterable[State], after: State, **values: Any) -> None:  # type: ignore[valid-type]  # State is the model's own enum
    """One conditional UPDATE: of two people, or a person and a worker, one is told that it has gone on."""
    moved = ImportJob.objects.filter(pk=job_id, owner_id=actor.pk, state__in=list(before)).update(
        state=after, **values
    )
    if not moved:
        state = get_job(actor, job_id).state
        raise NotPossibleNow(_("This import has gone on meanwhile. Reload the page."), state=state)
    if "position" in values:
        ImportRow.objects.filter(job_id=job_id).delete()
    if after in ACTIVE:
        transaction.on_commit(wake, robust=True)


# --- what the worker does


class LeaseLost(Exception):
    """Somebody stopped the job, or another worker has it: nothing of this row was written."""


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


@dataclass(frozen=True)
class Result:
    """What came of one row."""

    number: int
    outcome: str
    problems: list[dict[str, str]]


class Tables:
    """The table of the job that had the last turn. A turn is 5 s, of which reading a large workbook took half."""

    def __init__(self) -> None:
        self._last: tuple[int, Table] | None = None

    def of(self, job: ImportJob) -> Table:
        """What the job's file holds, which is never changed: read unless it is the last one."""
        if self._last is None or self._last[0] != job.pk:
            self._last = None  # not two of them in memory
            self._last = job.pk, read_table(bytes(job.file.content))
        return self._last[1]

    def forget(self) -> None:
        self._last = None


class Turn:
    """One turn of one job: its owner asked for again, so that what has changed counts."""

    def __init__(self, job: ImportJob, tables: Tables) -> None:
        self.job = job
        self.kind = _kinds[job.kind]
        self.owner: Owner = job.owner
        self.mark = DecimalMark(job.decimal_mark)
        self.lines = tables.of(job).lines
        self.columns = {
            field: job.columns[field.name]
            for field in self.kind.fields
            if field.name in job.columns
        }
        self.first: dict[str, int] = {}
        for line in self.lines:
            self.first.setdefault(self._key(line), line.number)

    def _key(self, line: Line) -> str:
        cell = line.cells[self.columns[self.kind.key]]
        try:
            return str(self.kind.key.parse(cell, self.mark)).upper()
        except Unreadable:
            return f"row {line.number}"

    def run(self, stopping: threading.Event) -> None:
        """Go on from the job's position until it is done, its turn is over, or `stopping`."""
        deadline = time.monotonic() + SLICE
        do = self._check if self.job.state == State.CHECKING else self._apply
        with (
            translation.override(self.owner.language),
            request_id.working_as(f"import-{self.job.pk}"),
        ):
            while self.job.position < self.job.total and not stopping.is_set():
                do(self.lines[self.job.position : self.job.position + BATCH], deadline, stopping)
                if time.monotonic() > deadline:  # looked at last: every turn gets somewhere
                    break
        if self.job.position < self.job.total:
            self._release()
        else:
            self._finish()

    def _check(self, lines: Sequence[Line], deadline: float, stopping: threading.Event) -> None:
        results = []
        for line in lines:
            results.append(self._result(line, _rehearsed))
            if stopping.is_set() or time.monotonic() > deadline:
                break
        _write_results(self.job, results)
        self.job.position += len(results)

    def _apply(self, lines: Sequence[Line], deadline: float, stopping: threading.Event) -> None:
        for line in lines:
            result = self._result(line, self._applied)
            if result.outcome == Outcome.FAILED:  # its transaction was rolled back
                _write_results(self.job, [result])
            self.job.position += 1
            if stopping.is_set() or time.monotonic() > deadline:
                break

    def _result(self, line: Line, do: Callable[..., str]) -> Result:
        """Do one row; whatever it is refused for, in words."""
        try:
            values = self._values(line)
            outcome = do(self.kind, self.owner, values, line)
        except (*AWAY, LeaseLost):
            raise
        except DomainError as error:
            return Result(line.number, Outcome.FAILED, self._problems(error, line))
        except BadCells as error:
            return Result(line.number, Outcome.FAILED, error.problems)
        except (DataError, IntegrityError):
            log.exception("import_row_refused_by_database", job=self.job.pk, row=line.number)
            message = _("This row could not be imported: the database does not take its values.")
            return Result(line.number, Outcome.FAILED, [self._problem(None, "", message)])
        except Exception:
            log.exception("import_row_failed", job=self.job.pk, row=line.number)
            message = _("This row could not be imported: something went wrong on our side.")
            return Result(line.number, Outcome.FAILED, [self._problem(None, "", message)])
        return Result(line.number, outcome, [])

    def _values(self, line: Line) -> dict[str, Any]:
        """What the row holds, understood; an empty cell leaves what is there."""
        values: dict[str, Any] = {}
        problems = []
        for field, column in self.columns.items():
            cell = line.cells[column]
            if not as_text(cell):
                if field.is_required:
                    problems.append(self._problem(field, "", _("Missing.")))
                continue
            try:
                values[field.name] = field.parse(cell, self.mark)
            except Unreadable as error:
                problems.append(self._problem(field, as_text(cell), str(error)))
        first = self.first[self._key(line)]
        if first != line.number and not problems:
            message = _("The same as in row %(row)s.") % {"row": first}
            cell = line.cells[self.columns[self.kind.key]]
            problems.append(self._problem(self.kind.key, as_text(cell), message))
        if problems:
            raise BadCells(problems)
        return values

    def _problems(self, error: DomainError, line: Line) -> list[dict[str, str]]:
        """A refusal, each wrong field by the name of its column."""
        fields = {field.name: field for field in self.kind.fields}
        named = error.facts.get("errors") or [
            {"pointer": f"/{error.facts.get('field', '')}", "detail": error.message}
        ]
        problems = []
        for each in named:
            field = fields.get(each["pointer"].removeprefix("/"))
            value = as_text(line.cells[self.columns[field]]) if field in self.columns else ""
            problems.append(self._problem(field, value, each["detail"]))
        return problems

    def _problem(self, field: Field | None, value: str, message: str) -> dict[str, str]:
        """What is wrong, under the heading that people see in their own file."""
        heading: str | Promise = field.label if field else ""
        if field in self.columns:
            heading = self.job.header[self.columns[field]].strip() or heading
        return {"column": str(heading), "value": value[:LONGEST_SHOWN], "message": message}

    def _applied(self, kind: Kind, owner: Owner, values: dict[str, Any], line: Line) -> str:
        return _write_row(self, values, line)

    def _release(self) -> None:
        # The lease's end stays as the time of its last turn: whoever waited longer goes first.
        ImportJob.objects.filter(pk=self.job.pk, lease=self.job.lease).update(
            leased_until=clock.now()
        )

    def _finish(self) -> None:
        done = State.CHECKED if self.job.state == State.CHECKING else State.DONE
        finished_at = clock.now() if done == State.DONE else None
        ImportJob.objects.filter(
            pk=self.job.pk, lease=self.job.lease, state=self.job.state, position=self.job.total
        ).update(state=done, leased_until=None, lease="", finished_at=finished_at)


class BadCells(Exception):
    """Cells that cannot be understood, all of a row."""

    def __init__(self, problems: list[dict[str, str]]) -> None:
        super().__init__()
        self.problems = problems


@retrying_atomic
def _rehearsed(kind: Kind, owner: Owner, values: dict[str, Any], line: Line) -> str:
    """What the row would do, undone again."""
    outcome = kind.apply(actor=owner, **values)
    transaction.set_rollback(True)
    return outcome


@retrying_atomic
def _write_row(turn: Turn, values: dict[str, Any], line: Line) -> str:
    """The row itself, what came of it, and how far the job is: together or not at all."""
    outcome = turn.kind.apply(actor=turn.owner, **values)
    _advance(turn.job, [Result(line.number, outcome, [])])
    return outcome


@retrying_atomic
def _write_results(job: ImportJob, results: Sequence[Result]) -> None:
    _advance(job, results)


def _advance(job: ImportJob, results: Sequence[Result]) -> None:
    counts = {
        outcome.value: sum(1 for result in results if result.outcome == outcome)
        for outcome in Outcome
    }
    kept = ImportJob.objects.filter(
        pk=job.pk, lease=job.lease, state=job.state, position=job.position
    ).update(
        position=job.position + len(results),
        leased_until=clock.now() + LEASE,
        **{name: F(name) + count for name, count in counts.items() if count},
    )
    if not kept:
        raise LeaseLost
    if results:
        _insert_rows([(job.pk, each.number, each.outcome, each.problems) for each in results])


_insert_rows: Final = Insert(ImportRow, "job_id", "number", "outcome", "problems")


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
    except Exception:
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


# --- the worker

_bell: Final = threading.Event()


def wake() -> None:
    """Tell the worker of this process, after a commit, that there is something to do. Others look by themselves."""
    _bell.set()


def run(stopping: threading.Event, *, once: bool = False) -> None:
    """Work until `stopping`; with `once`, until no job is waiting. Waits for the database and its migrations."""
    pause = prune_at = 0.0
    tables = Tables()
    migrated = False
    while not stopping.is_set():
        _bell.clear()
        try:
            migrated = migrated or not missing_migrations()
            if not migrated:  # the relay beside it says so
                _wait(stopping, POLL)
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
            _wait(stopping, pause)
            continue
        pause = 0.0
        if worked:
            continue
        tables.forget()
        if once:
            return
        _wait(stopping, POLL)


def _wait(stopping: threading.Event, seconds: float) -> None:
    """Until somebody rings or the time is over; never on `stopping` itself, which a signal handler may set."""
    deadline = time.monotonic() + seconds
    while not stopping.is_set() and (left := deadline - time.monotonic()) > 0:
        if _bell.wait(min(left, 0.5)):
            return


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
        _bell.set()
        thread.join(timeout=2)

    thread = threading.Thread(target=target, name="imports", daemon=True)
    thread.start()
    # Not atexit: a worker forked by multiprocessing runs these alone.
    Finalize(None, end, exitpriority=100)
    return end
