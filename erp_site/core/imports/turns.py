"""One turn of one job: its rows checked, or applied, and what came of each written down."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import F
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from erp_site.core import clock, request_id
from erp_site.core.errors import Busy, DomainError
from erp_site.core.models import ImportJob, ImportRow
from erp_site.core.statements import Insert
from erp_site.core.tabular import DecimalMark, Line, Table, Unreadable, as_text, read_table
from erp_site.core.transactions import retrying_atomic

from .jobs import Owner
from .registry import Field, Kind, kinds

log = structlog.get_logger(__name__)

SLICE: Final = 5.0  # seconds that a job gets before others have their turn
LEASE: Final = timedelta(seconds=30)  # longer than any one row may take
BATCH: Final = 50  # rows checked between two notes of how far it is
#: What says that the database is away or busy. Any other error of it comes again, however often the job goes on.
AWAY: Final = (OperationalError, InterfaceError, Busy)
LONGEST_SHOWN: Final = 100  # characters of a wrong value

State, Outcome = ImportJob.State, ImportRow.Outcome


class LeaseLost(Exception):
    """Somebody stopped the job, or another worker has it: nothing of this row was written."""


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
        self.kind = kinds()[job.kind]
        self.owner: Owner = job.owner
        self.mark = DecimalMark(job.decimal_mark)
        self.lines = tables.of(job).lines
        self.columns = {
            field: job.columns[field.name]
            for field in self.kind.fields
            if field.name in job.columns
        }
        self.first: dict[tuple[str, ...], int] = {}
        for line in self.lines:
            self.first.setdefault(self._key(line), line.number)

    def _key(self, line: Line) -> tuple[str, ...]:
        keys = self.kind.fields[: self.kind.keys]
        cells = [(field, line.cells[self.columns[field]]) for field in keys]
        try:
            return tuple(field.same(str(field.parse(cell, self.mark))) for field, cell in cells)
        except Unreadable:
            return (f"row {line.number}",)

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
        except Exception:  # one row that we did not think of stops no import
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
