"""`manage.py dead_letters`: the events that a consumer refused too often; with `--retry` once more."""

from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from erp_site.core import consumers, outbox

#: So many are shown; an outage of a consumer may leave thousands.
SHOWN: Final = 100


class Command(BaseCommand):
    help = "List the dead letters, oldest first, or have them delivered once more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--consumer", help="those of this consumer alone")
        parser.add_argument(
            "--retry",
            nargs="*",
            type=int,
            metavar="ID",
            help="deliver these once more, or without an ID all of them",
        )

    def handle(
        self, *args: Any, consumer: str | None, retry: list[int] | None, **options: Any
    ) -> None:
        known = {each.name for each in (*consumers.registered(), *consumers.added())}
        known |= set(outbox.counts(outbox.State.DEAD))
        if consumer and consumer not in known:
            raise CommandError(
                f"No consumer is named {consumer!r}; there are {', '.join(sorted(known))}."
            )
        dead = outbox.dead_letters(consumer)
        if retry is None:
            self._show(dead)
            return
        if retry:
            dead = dead.filter(pk__in=retry)
            if strangers := set(retry) - set(dead.values_list("pk", flat=True)):
                named = ", ".join(map(str, sorted(strangers)))
                raise CommandError(f"Not among the dead letters: {named}. Nothing was done.")
        self.stdout.write(f"{outbox.revive(dead)} to be delivered once more.")

    def _show(self, dead: Any) -> None:
        for letter in dead.select_related("event")[:SHOWN]:
            about = f"{letter.aggregate} {letter.aggregate_id}"
            self.stdout.write(
                f"{letter.pk}  {letter.consumer}  {letter.event.type}  {about}, position {letter.position}  "
                f"{letter.attempts} tries until {letter.finished_at:%Y-%m-%d %H:%M} UTC  {letter.last_error}"
            )
        count = dead.count()
        more = f", {SHOWN} shown" if count > SHOWN else ""
        self.stdout.write(f"{count} dead letters{more}." if count else "No dead letters.")
