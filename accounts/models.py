"""People who sign in."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils.translation import gettext_lazy as _

from erp_site.core import clock
from erp_site.core.models import EventSource, Named
from erp_site.core.money import CENT, discounted
from erp_site.core.search import SearchWord

from .roles import ROLE_PERMISSIONS, Permission, Role


class Language(models.TextChoices):
    """Languages of the pages; the API always answers in its own names."""

    PORTUGUESE = "pt-br", "Português (Brasil)"
    ENGLISH = "en", "English"


class UserManager(BaseUserManager["User"]):
    use_in_migrations = True

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Trimmed and lower case as a whole: the three databases disagree about case."""
        return (email or "").strip().lower()

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Save a user without asking who may: for services, commands and tests."""
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        UserWord.index(user.pk, user.name, user.email)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """What `manage.py createsuperuser` makes: an administrator."""
        return self.create_user(email, password, **{"role": Role.ADMIN, **fields})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=self.normalize_email(username))


class User(Named, EventSource, AbstractBaseUser):
    """A person who signs in with an e-mail address. Deactivated, never deleted.

    There are no groups and no per-user permissions: the role decides (see roles.py), so `has_perm`, `perms` in
    templates and decorators need no query. What differs between two of a role is how far they may lower a price.
    """

    email = models.EmailField(_("e-mail"), max_length=254, unique=True)
    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.VIEWER)
    is_active = models.BooleanField(_("active"), default=True)
    language = models.CharField(
        _("language"), max_length=8, choices=Language, default=Language.PORTUGUESE
    )
    discount_limit = models.DecimalField(
        _("discount limit"),
        max_digits=4,
        decimal_places=2,
        default=Decimal(0),
        db_default=Decimal(0),
    )
    """How many percent off the customer's price they may agree upon by themselves, on a line of an order."""
    created_at = models.DateTimeField(_("created at"), default=clock.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="user_role_known"
            ),
            models.CheckConstraint(
                condition=models.Q(discount_limit__gte=0, discount_limit__lt=100),
                name="user_discount_limit_possible",
            ),
        ]
        indexes = [models.Index(fields=["sorted_name", "id"], name="user_by_name")]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name.split(" ")[0]

    def get_all_permissions(self, obj: models.Model | None = None) -> set[str]:
        return set(self._permissions())

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        return perm in self._permissions()

    def _permissions(self) -> frozenset[str]:
        return ROLE_PERMISSIONS[Role(self.role)] if self.is_active else frozenset()

    def has_perms(self, perm_list: Iterable[str], obj: models.Model | None = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        return any(perm.startswith(f"{app_label}.") for perm in self._permissions())

    @property
    def may_agree_on_prices(self) -> bool:
        """Are they asked for another unit price than the customer's, on a line of an order?"""
        if self.has_perm(Permission.AGREE_ON_ANY_PRICE):
            return True
        return self.discount_limit > 0 and self.has_perm(Permission.PLACE_ORDER)

    def lowest_price(self, list_price: Decimal) -> Decimal:
        """The lowest unit price, in reais, that they may agree upon by themselves, on a line of an order.

        Their limit alone is asked; whether they agree upon prices at all, `may_agree_on_prices` says.

        Args:
            list_price: the customer's price of a piece, in reais.
        """
        if self.has_perm(Permission.AGREE_ON_ANY_PRICE):
            return CENT
        return discounted(list_price, self.discount_limit)


class UserWord(SearchWord):
    """The words a user is found by: those of the name and of the e-mail address."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="words")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["word", "owner"], name="user_word_unique"),
        ]
