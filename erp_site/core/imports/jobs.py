"""The life of an import as people move it on: a file sent, columns chosen, checked, applied, stopped."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from django.db import transaction
from django.utils.translation import gettext as _

from erp_site.core import clock
from erp_site.core.errors import Conflict, FieldError, NotFound
from erp_site.core.models import ImportFile, ImportJob, ImportRow
from erp_site.core.tabular import (
    DecimalMark,
    Unreadable,
    as_amount,
    as_text,
    as_whole,
    decimal_mark,
    read_table,
)
from erp_site.core.transactions import retrying_atomic
from erp_site.core.validation import refuse

from .registry import guess_columns, kinds
from .waking import wake

SAMPLE: Final = 3  # rows shown while the columns are chosen
KEYS: Final = 500  # records looked for at once

State = ImportJob.State
ACTIVE: Final = (State.CHECKING, State.APPLYING)


class Owner(Protocol):
    """Who imports: decided anew with every turn, so that a role taken away ends the import."""

    @property
    def pk(self) -> Any: ...

    is_active: bool
    language: str

    def has_perm(self, perm: str, /) -> bool: ...


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
    columns = guess_columns(kinds()[kind], table.header)
    numbers = [
        line.cells[columns[field.name]]
        for line in table.lines[:200]
        for field in kinds()[kind].fields
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
    if job is None or job.kind not in kinds():
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
    lacking = kinds()[job.kind].lacking(columns)
    # Said once here and not of each row. A file that changes what is there may well leave the rest out.
    if lacking and not _has_known(job, columns, mark):
        message = _("Choose a column: every row of this file is new, and needs this.")
        refuse(
            [FieldError(pointer=f"/{it.name}", code="missing", detail=message) for it in lacking]
        )
    _start_check(actor, job_id, columns, mark)


def _has_known(job: ImportJob, columns: Mapping[str, int], mark: DecimalMark) -> bool:
    kind = kinds()[job.kind]
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


def _move(actor: Owner, job_id: int, before: Iterable[State], after: State, **values: Any) -> None:
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
