"""What accounts announce, inside the transaction that does it. Receivers record; they never decide."""

from django.dispatch import Signal

user_created = Signal()  # user (saved; its first sequence taken), actor: User | None
user_changed = (
    Signal()
)  # user (locked, not saved yet), actor: User | None, changes: services.Changes
