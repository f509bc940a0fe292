"""What the apps share: append-only facts, soft deletion, and the event log that is also the outbox."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .search import sorted_as


class AppendOnlyQuerySet[M: models.Model](models.QuerySet[M]):
    """Rows are added and read, nothing else."""

    def update(self, **kwargs: Any) -> int:
        raise TypeError(f"{self.model.__name__} is append-only: add a new row instead")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError(f"{self.model.__name__} is append-only: add a new row instead")


class AppendOnly(models.Model):
    """A fact. A correction is a new row."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError(f"{type(self).__name__} is append-only: add a new row instead")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError(f"{type(self).__name__} is append-only: add a new row instead")


class AliveManager[M: models.Model](models.Manager[M]):
    """Hides what is deleted."""

    def get_queryset(self) -> models.QuerySet[M]:
        return super().get_queryset().filter(deleted_at=None)


class Named(models.Model):
    """A record that people look for by name, in lists that the alphabet sorts on every database.

    SQLite compares bytes, which puts "arroz" behind "Zinco" and "Óleo" behind both. So `sorted_name` is what is sorted
    by: the name in small letters without accents, written whenever `name` is.
    """

    name = models.CharField(_("name"), max_length=255)
    sorted_name = models.CharField(max_length=255, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    def save(self, *, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        if update_fields is None or "name" in update_fields:
            self.sorted_name = sorted_as(self.name)
            update_fields = update_fields and {*update_fields, "sorted_name"}
        super().save(update_fields=update_fields, **kwargs)


class SoftDelete(models.Model):
    """Deleted rows stay, with the time of it, and the default manager hides them.

    `objects` sees the living, `all_objects` everything; following a foreign key sees everything too
    (Django uses the base manager there), so an old order still shows its deleted customer.
    """

    deleted_at = models.DateTimeField(_("deleted at"), null=True, default=None, editable=False)

    objects: ClassVar[AliveManager[Self]] = AliveManager()
    all_objects: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        abstract = True


class UniqueAlive(SoftDelete):
    """Soft deletion for rows with a natural key that is free again after deletion.

    MySQL has no partial unique index. `live` is 1 for the living and NULL for the deleted, and NULLs
    never collide in a unique key, so UNIQUE(key, live) holds among the living alone.
    """

    live = models.BooleanField(null=True, default=True, editable=False)

    class Meta:
        abstract = True

    @staticmethod
    def live_constraint(name: str) -> models.CheckConstraint:
        """`live` and `deleted_at` agree. IS NULL on both sides: a comparison with NULL would pass any CHECK."""
        return models.CheckConstraint(
            condition=Q(deleted_at__isnull=True, live__isnull=False, live=True)
            | Q(deleted_at__isnull=False, live__isnull=True),
            name=name,
        )

    def mark_deleted(self, moment: datetime) -> None:
        self.deleted_at = moment
        self.live = None


class EventSource(models.Model):
    """A row whose changes are events: it counts them itself, under its own lock, so there are no gaps."""

    event_seq = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        abstract = True

    def next_sequence(self) -> int:
        """The sequence of the next event. The row must be locked, and saved in the same transaction."""
        self.event_seq += 1
        return self.event_seq


class Event(models.Model):
    """Something that happened: written by `events.record` in the transaction that made it true.

    `position` is the place in the published feed. The relay writes it once, after the commit: ids are
    handed out before transactions commit, so a reader that followed ids would miss slow ones.
    """

    uid = models.UUIDField(unique=True, editable=False)
    type = models.CharField(max_length=64)
    aggregate = models.CharField(max_length=16)
    aggregate_id = models.BigIntegerField()
    sequence = models.PositiveIntegerField()
    payload = models.JSONField(default=dict)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    position = models.BigIntegerField(null=True, unique=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["aggregate", "aggregate_id", "sequence"], name="event_sequence_unique"
            ),
        ]
        indexes = [
            # The unique index of the position has the same order, but MariaDB does not believe it of NULLs.
            models.Index(fields=["position", "id"], name="event_unpublished"),
            models.Index(fields=["type", "position", "id"], name="event_feed_of_type"),
            # The position, so that it counts what is published too, where MySQL prefers it.
            models.Index(fields=["type", "created_at", "id", "position"], name="event_by_type"),
            models.Index(
                fields=["created_at", "id", "type", "aggregate", "actor"], name="event_by_time"
            ),
            models.Index(fields=["actor", "created_at", "id", "type"], name="event_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.aggregate}:{self.aggregate_id}#{self.sequence}"


class Feed(models.Model):
    """One row: the last position given. Relays lock it, so that positions are given by one at a time."""

    last_position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"position {self.last_position}"


class Delivery(models.Model):
    """One event on its way to one consumer."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        DONE = "done", _("Done")
        DEAD = "dead", _("Dead letter")

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    consumer = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    aggregate = models.CharField(max_length=16)
    aggregate_id = models.BigIntegerField()
    position = models.BigIntegerField()
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True, default=None)
    last_error = models.CharField(max_length=500, blank=True)
    finished_at = models.DateTimeField(null=True, default=None)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["event", "consumer"], name="delivery_once_per_consumer"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "consumer", "position"], name="delivery_queue"),
            models.Index(
                fields=["consumer", "aggregate", "aggregate_id", "state", "position"],
                name="delivery_in_sequence",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.consumer} <- {self.event_id} ({self.state})"


class Webhook(EventSource, SoftDelete):
    """An address of another system that wants to be told. Written by `webhooks` alone."""

    url = models.CharField(_("address"), max_length=500)
    description = models.CharField(_("description"), max_length=255, blank=True)
    types = models.JSONField(_("events"), default=list)
    """Names of the types of event it wants; all if there are none."""
    is_active = models.BooleanField(_("active"), default=True)
    secret = models.CharField(max_length=64, editable=False)
    """What its messages are signed with, as Standard Webhooks writes it: whsec_ and base64."""
    old_secret = models.CharField(max_length=64, blank=True, editable=False)
    old_secret_until = models.DateTimeField(null=True, default=None, editable=False)
    """Until then messages carry a signature made with `old_secret`, too."""
    failing_since = models.DateTimeField(null=True, default=None, editable=False)
    last_error = models.CharField(max_length=500, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")

    def __str__(self) -> str:
        return self.host

    @property
    def host(self) -> str:
        """What may be told to everybody: the rest of an address is often a secret."""
        return urlsplit(self.url).hostname or ""


class ImportJob(models.Model):
    """A file that somebody sent to be imported, and how far it has got. Written by `imports` alone."""

    class State(models.TextChoices):
        MAPPING = "mapping", _("Choose the columns")
        CHECKING = "checking", _("Checking")
        CHECKED = "checked", _("Checked")
        APPLYING = "applying", _("Importing")
        DONE = "done", _("Imported")
        STOPPED = "stopped", _("Stopped")

    kind = models.CharField(max_length=16)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=16, choices=State, default=State.MAPPING)
    file_name = models.CharField(max_length=255)
    header = models.JSONField(default=list)
    sample = models.JSONField(default=list)
    columns = models.JSONField(default=dict)
    """Which column of the file, from 0, holds each field."""
    decimal_mark = models.CharField(max_length=1)
    total = models.PositiveIntegerField()
    position = models.PositiveIntegerField(default=0)
    """How many rows the present pass has done."""
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    lease = models.CharField(max_length=32, blank=True)
    leased_until = models.DateTimeField(null=True, default=None)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, default=None)

    class Meta:
        indexes = [
            models.Index(fields=["state", "id"], name="import_by_state"),
            models.Index(fields=["owner", "id"], name="import_by_owner"),
            models.Index(fields=["created_at"], name="import_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.state})"


class ImportFile(models.Model):
    """What was sent, byte by byte: in the database, where every process finds it."""

    job = models.OneToOneField(
        ImportJob, on_delete=models.CASCADE, primary_key=True, related_name="file"
    )
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"file of import {self.job_id}"


class ImportRow(models.Model):
    """What the present pass of an import made of one row."""

    class Outcome(models.TextChoices):
        CREATED = "created", _("Created")
        UPDATED = "updated", _("Updated")
        UNCHANGED = "unchanged", _("Unchanged")
        FAILED = "failed", _("Not imported")

    job = models.ForeignKey(
        ImportJob, on_delete=models.CASCADE, related_name="rows", db_index=False
    )
    number = models.PositiveIntegerField()
    """As a spreadsheet counts: the row below the header is usually 2."""
    outcome = models.CharField(max_length=16, choices=Outcome)
    problems = models.JSONField(default=list)
    """Each as {column, value, message}, in the words of the person who imports."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="import_row_once"),
        ]
        indexes = [models.Index(fields=["job", "outcome", "number"], name="import_row_by_outcome")]

    def __str__(self) -> str:
        return f"row {self.number}: {self.outcome}"
