"""The pages of imports: send a file, choose its columns, see what would happen, let it happen, take the result."""

from collections.abc import Iterator
from typing import Any, Final, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.text import get_text_list, slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.auth import SignedIn, check
from accounts.models import User
from erp_site.core import imports
from erp_site.core.errors import Denied, Invalid, NotFound
from erp_site.core.fields import ShowsRefusals
from erp_site.core.htmx import is_partial
from erp_site.core.imports import Field, Kind
from erp_site.core.models import ImportJob, ImportRow
from erp_site.core.tabular import (
    CHUNK,
    CSV_TYPE,
    LARGEST_FILE,
    XLSX_TYPE,
    Cell,
    DecimalMark,
    csv_lines,
    read_table,
    xlsx_file,
)

from .exporting import in_language

PROBLEMS_SHOWN: Final = 50
JOBS_SHOWN: Final = 20
State, Outcome = ImportJob.State, ImportRow.Outcome
#: What a row comes to as long as nothing is written.
PLANNED: Final = {
    Outcome.CREATED: gettext_lazy("Will be created"),
    Outcome.UPDATED: gettext_lazy("Will be changed"),
    Outcome.UNCHANGED: gettext_lazy("Already the same"),
    Outcome.FAILED: gettext_lazy("With errors"),
}


def kinds_for(user: User) -> list[Kind]:
    """What this user may import.

    Raises:
        Denied: nothing.
    """
    allowed = [kind for kind in imports.kinds().values() if user.has_perm(kind.permission)]
    if not allowed:
        raise Denied(_("Your role does not allow this."))
    return allowed


class UploadForm(forms.Form):
    """What is in the file, and the file."""

    kind = forms.ChoiceField(
        label=gettext_lazy("What is in the file"),
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )
    file = forms.FileField(
        label=gettext_lazy("File"),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx"}),
        error_messages={"empty": gettext_lazy("The file is empty.")},
    )

    def __init__(self, *args: Any, kinds: list[Kind], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ChoiceField", self.fields["kind"])
        field.choices = [(kind.name, kind.label) for kind in kinds]

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > LARGEST_FILE:
            raise forms.ValidationError(
                _("The file is larger than %(size)s MB. Divide it.")
                % {"size": LARGEST_FILE // 1024**2},
                code="too_large",
            )
        return file


class ColumnsForm(ShowsRefusals):
    """Which column holds what: one choice a field of the kind, and how the file writes numbers.

    Most may be left out, so what may not is marked, and not what may.
    """

    decimal_mark = forms.ChoiceField(
        label=gettext_lazy("Decimals"),
        choices=[
            (DecimalMark.COMMA.value, gettext_lazy("Comma: 1.234,56")),
            (DecimalMark.POINT.value, gettext_lazy("Point: 1,234.56")),
        ],
    )

    def __init__(self, *args: Any, kind: Kind, header: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        columns = [
            ("", _("Not in the file")),
            *(
                (str(number), name or _("Column %(number)s") % {"number": number + 1})
                for number, name in enumerate(header)
            ),
        ]
        for field in kind.fields:
            self.fields[field.name] = forms.ChoiceField(
                label=field.label,  # type: ignore[arg-type]  # lazy texts are fine
                choices=columns,
                required=field.is_required,
                help_text=str(field.hint),
                error_messages={"required": _("Choose a column: a row is nothing without it.")},
            )
            self.fields[field.name].mark = _mark(field)  # type: ignore[attr-defined]  # the template's
        self.order_fields([*(field.name for field in kind.fields), "decimal_mark"])

    def clean(self) -> dict[str, Any]:
        taken: dict[str, str] = {}
        # A copy: add_error() takes the field out of cleaned_data.
        for name, column in list(self.cleaned_data.items()):
            if name == "decimal_mark" or not column:
                continue
            if column in taken:
                self.add_error(name, _("This column is chosen twice."))
            taken[column] = name
        return self.cleaned_data

    @property
    def columns(self) -> dict[str, int]:
        """Of a valid form."""
        return {
            name: int(column)
            for name, column in self.cleaned_data.items()
            if name != "decimal_mark" and column
        }


def _mark(field: Field) -> str:
    if field.is_required:
        return _("required")
    return _("required for new ones") if field.is_for_new else ""


@require_http_methods(["GET", "HEAD", "POST"])
def import_list(request: SignedIn) -> HttpResponse:
    """Send a file; below, one's imports of the last 30 days."""
    kinds = kinds_for(request.user)
    asked = request.GET.get("kind", "")
    initial = asked if asked in {kind.name for kind in kinds} else kinds[0].name
    form = UploadForm(
        request.POST or None, request.FILES or None, kinds=kinds, initial={"kind": initial}
    )
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            job = imports.create_job(
                actor=request.user,
                kind=form.cleaned_data["kind"],
                file_name=file.name,
                content=file.read(),
            )
        except Invalid as refusal:
            form.add_error("file", refusal.message)
        else:
            return redirect("imports:job", job.pk)
    jobs = ImportJob.objects.filter(
        owner=request.user, kind__in=[kind.name for kind in kinds]
    ).order_by("-pk")[:JOBS_SHOWN]
    context = {
        "form": form,
        "jobs": [(job, imports.kinds()[job.kind]) for job in jobs],
        "kinds": kinds,
    }
    status = 422 if form.errors else 200
    return render(request, "imports/import_list.html", context, status=status)


@never_cache
@require_safe
def import_job(request: SignedIn, job_id: int) -> HttpResponse:
    """One import, wherever it is; while it works, the page asks again every second."""
    job, kind = _own(request, job_id)
    return _show(request, job, kind)


def _own(request: SignedIn, job_id: int) -> tuple[ImportJob, Kind]:
    job = imports.get_job(request.user, job_id)
    kind = imports.kinds()[job.kind]
    check(request.user, kind.permission)
    return job, kind


def _show(
    request: SignedIn, job: ImportJob, kind: Kind, form: ColumnsForm | None = None
) -> HttpResponse:
    problems = ImportRow.objects.filter(job=job, outcome=ImportRow.Outcome.FAILED)
    finished = job.state in {State.CHECKED, State.DONE, State.STOPPED}
    context = {
        "job": job,
        "kind": kind,
        "is_active": job.state in imports.ACTIVE,
        "will_change": job.created + job.updated,
        "problems": problems.order_by("number")[:PROBLEMS_SHOWN] if finished else [],
        "more_problems": max(0, job.failed - PROBLEMS_SHOWN),
        "lacking": get_text_list([str(it.label) for it in kind.lacking(job.columns)], _("and")),
    }
    if job.state == State.MAPPING:
        context["form"] = form or ColumnsForm(
            kind=kind,
            header=job.header,
            initial={**job.columns, "decimal_mark": job.decimal_mark},
        )
    template = "imports/import_job.html#job" if is_partial(request) else "imports/import_job.html"
    return render(request, template, context, status=422 if form and form.errors else 200)


@require_POST
def import_columns(request: SignedIn, job_id: int) -> HttpResponse:
    """The columns are chosen: check every row. Without columns (`again`), back to the choice."""
    job, kind = _own(request, job_id)
    if "again" in request.POST:
        imports.choose_columns(actor=request.user, job_id=job.pk)
        return redirect("imports:job", job.pk)
    form = ColumnsForm(request.POST, kind=kind, header=job.header)
    if not form.is_valid():
        return _show(request, job, kind, form)
    try:
        imports.start_check(
            actor=request.user,
            job_id=job.pk,
            columns=form.columns,
            mark=DecimalMark(form.cleaned_data["decimal_mark"]),
        )
    except Invalid as refusal:
        form.add_refusal(refusal)
        return _show(request, job, kind, form)
    return redirect("imports:job", job.pk)


@require_POST
def import_apply(request: SignedIn, job_id: int) -> HttpResponse:
    """Write what was checked."""
    job, _kind = _own(request, job_id)
    imports.start_apply(actor=request.user, job_id=job.pk)
    return redirect("imports:job", job.pk)


@require_POST
def import_stop(request: SignedIn, job_id: int) -> HttpResponse:
    """End it; what was written stays."""
    job, _kind = _own(request, job_id)
    imports.stop(actor=request.user, job_id=job.pk)
    return redirect("imports:job", job.pk)


@never_cache
@require_safe
def import_result(request: SignedIn, job_id: int, kind: str) -> HttpResponseBase:
    """The file again, with what came of each row; `only=errors` leaves the rows to be mended and sent again."""
    if kind not in {"csv", "xlsx"}:
        raise NotFound(_("There is no such file."))
    job, _kind = _own(request, job_id)
    header = [*job.header, _("Result"), _("Error")]
    only_errors = request.GET.get("only") == "errors"
    rows = _result_rows(job, only_errors=only_errors)
    named = slugify(job.file_name.rpartition(".")[0]) or f"import-{job.pk}"
    file_name = f"{named}-{slugify(_('Errors') if only_errors else _('Result'))}.{kind}"
    if kind == "xlsx":
        book = xlsx_file(header, rows, title=_("Result"))
        return FileResponse(book, as_attachment=True, filename=file_name, content_type=XLSX_TYPE)
    language = translation.get_language() or "en"
    return StreamingHttpResponse(
        in_language(csv_lines(header, rows), language),
        content_type=f"{CSV_TYPE}utf-8",
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )


def _result_rows(job: ImportJob, *, only_errors: bool) -> Iterator[list[Cell]]:
    lines = read_table(bytes(job.file.content)).lines
    for start in range(0, len(lines), CHUNK):
        chunk = lines[start : start + CHUNK]
        found = {
            row.number: row
            for row in ImportRow.objects.filter(
                job=job, number__gte=chunk[0].number, number__lte=chunk[-1].number
            )
        }
        for line in chunk:
            row = found.get(line.number)
            if only_errors and (row is None or row.outcome != ImportRow.Outcome.FAILED):
                continue
            result = _came_of(row, job) if row else ""
            yield [*line.cells, result, _told(row) if row else ""]


def _came_of(row: ImportRow, job: ImportJob) -> str:
    outcome = Outcome(row.outcome)
    return str(PLANNED[outcome] if job.state == State.CHECKED else outcome.label)


def _told(row: ImportRow) -> str:
    """All that is wrong with a row in one cell."""
    return " ".join(
        f"{problem['column']}: {problem['message']}" if problem["column"] else problem["message"]
        for problem in row.problems
    )
