"""Settings: one typed environment, read once; a wrong value stops the start and says how to mend it."""

import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _
from pydantic import (
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from redis.backoff import NoBackoff
from redis.retry import Retry

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = BASE_DIR / "data"

#: Secrets that stand in examples and documents; production refuses them.
KNOWN_SECRETS = frozenset(
    {"changeme", "change-me", "secret", "insecure", "django-insecure", "test"}
)

#: What Django compares the Host header with: names, addresses, IPv6 in brackets, and all below one with a dot in front.
HOST_NAME = re.compile(r"\*|\.?[\w.-]+|\[[0-9a-fA-F:.]+\]")


def _comma_separated(value: object) -> object:
    return (
        [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, str)
        else value
    )


type CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_comma_separated)]


class Environment(BaseSettings):
    """Every variable the product reads, with its default. `.env` is read too; the real environment wins."""

    model_config = SettingsConfigDict(
        env_file=BASE_DIR / ".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    PRODUCTION: bool = False
    """On in the Docker image and in `make serve`: refuses weak settings. Off: the embedded demo."""
    DATABASE_URL: str = "sqlite:///data/erp.sqlite3"
    REDIS_URL: str | None = None
    SECRET_KEY: str | None = None
    DEBUG: bool = False
    ALLOWED_HOSTS: Annotated[CommaSeparated, Field(validate_default=True)] = []
    CSRF_TRUSTED_ORIGINS: CommaSeparated = []
    TRUSTED_PROXIES: Annotated[int, Field(ge=0, le=10)] = 0
    RATE_LIMIT: str = "600/minute"
    REGISTRATION: Literal["open", "approval", "closed"] | None = None
    METRICS_TOKEN: str | None = None
    HTTPS: bool = False
    EMAIL_URL: str = "console://"
    TIME_ZONE: str = "America/Sao_Paulo"
    ADMIN_EMAIL: str | None = None
    ADMIN_PASSWORD: str | None = None
    WEB_WORKERS: Annotated[int, Field(ge=1, le=64)] = 2
    WEB_THREADS: Annotated[int, Field(ge=1, le=64)] = 4
    HOST: str = "127.0.0.1"
    PORT: Annotated[int, Field(ge=1, le=65535)] = 8000
    PUBLISHED: str | None = None
    """HOST:PORT at which docker-compose.yml publishes a container's server, which cannot know it; not set by people."""
    RELAY: Literal["thread", "off"] = "thread"
    WEBHOOK_NETWORKS: Annotated[
        tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_comma_separated)
    ] = ()

    @field_validator("DEBUG")
    @classmethod
    def _debug_is_off_in_production(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("PRODUCTION"):
            raise ValueError("is on, and shows secrets to visitors. Set DEBUG=off.")
        return value

    @field_validator("ALLOWED_HOSTS")
    @classmethod
    def _hosts_are_named_in_production(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("PRODUCTION"):
            mending = "Name the hosts people use, e.g. ALLOWED_HOSTS=orders.example.com,localhost."
            if not value:
                raise ValueError(f"is empty. {mending}")
            if "*" in value:
                raise ValueError(f"is '*', which is everybody's. {mending}")
        if strange := next((host for host in value if not HOST_NAME.fullmatch(host)), None):
            raise ValueError(
                f"{strange!r} is not a host's name: no https://, no port and no path, "
                "e.g. ALLOWED_HOSTS=orders.example.com,localhost."
            )
        return value

    @field_validator("SECRET_KEY")
    @classmethod
    def _secret_is_one_in_production(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (
            info.data.get("PRODUCTION")
            and value is not None
            and (
                len(value) < 32
                or any(known in value.lower() for known in KNOWN_SECRETS)
                or len(set(value)) < 8
            )
        ):
            raise ValueError(
                "is short or a known example. Leave it empty (one is made and kept in the data folder) "
                "or set 50 random characters."
            )
        return value

    @field_validator("ADMIN_PASSWORD")
    @classmethod
    def _password_is_long_in_production(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("PRODUCTION") and value is not None and len(value) < 10:
            raise ValueError("is short. Use at least 10 characters.")
        return value

    @field_validator("CSRF_TRUSTED_ORIGINS")
    @classmethod
    def _origins_have_a_scheme(cls, value: list[str]) -> list[str]:
        if any(not origin.startswith(("https://", "http://")) for origin in value):
            raise ValueError("each begins with https://, e.g. https://orders.example.com")
        return value

    @field_validator("RATE_LIMIT")
    @classmethod
    def _rate_limit_is_readable(cls, value: str) -> str:
        from limits import parse  # noqa: PLC0415 -- only to check the text

        if value != "off":
            try:
                limit = parse(value)
            except ValueError as error:
                raise ValueError("use 600/minute, 20/second or the like, or off") from error
            if limit.amount < 1:
                raise ValueError("lets nobody in. Use 600/minute, 20/second or the like, or off")
        return value

    @field_validator("TIME_ZONE")
    @classmethod
    def _time_zone_exists(cls, value: str) -> str:
        from zoneinfo import ZoneInfo  # noqa: PLC0415 -- only to check the text

        try:
            ZoneInfo(value)
        except Exception as error:
            raise ValueError(
                f"{value!r} is not a time zone; use a name such as America/Sao_Paulo"
            ) from error
        return value

    @field_validator("DATABASE_URL")
    @classmethod
    def _database_is_known(cls, value: str) -> str:
        database(value)
        return value

    @field_validator("REDIS_URL")
    @classmethod
    def _redis_is_an_address(cls, value: str | None) -> str | None:
        if value is not None:
            parts = _parts(value)
            if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.netloc or parts.path):
                raise ValueError("use redis://host:6379/0, rediss://... or unix:///path")
            number = parts.path.strip("/")
            if parts.scheme != "unix" and number and not number.isdecimal():
                raise ValueError("ends with the number of a database: redis://host:6379/0")
        return value

    @field_validator("EMAIL_URL")
    @classmethod
    def _mailer_is_known(cls, value: str) -> str:
        mailer(value)
        sender(value, [])
        return value


def _parts(url: str) -> SplitResult:
    """A URL taken apart.

    Raises:
        ValueError: its port is none; most often a password with a / or # in it. It is not repeated.
    """
    parts = urlsplit(url)
    try:
        parts.port  # noqa: B018 -- it is read here for its error
    except ValueError:
        raise ValueError(
            "the port is not a number up to 65535; in a password write / as %2F, # as %23, ? as %3F, @ as %40"
        ) from None
    return parts


def database(url: str) -> dict[str, Any]:
    """Django's description of `sqlite:///path` or `mysql://user:password@host:port/name[?unix_socket=...]`."""
    parts = _parts(url)
    if parts.scheme == "sqlite":
        path = Path(unquote(parts.path[1:]) or "data/erp.sqlite3")
        file = path if path.is_absolute() else BASE_DIR / path
        return {
            "ENGINE": "erp_site.core.sqlite",
            "NAME": file,
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                # IMMEDIATE: take the write lock at BEGIN, or two readers that both want to write deadlock.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32768;",
            },
            "TEST": {"NAME": file.with_name("test_" + file.name)},
        }
    if parts.scheme == "mysql":
        name = unquote(parts.path.lstrip("/"))
        if not name:
            raise ValueError(
                "a mysql:// address ends with the database's name: mysql://user:password@host:3306/erp"
            )
        options = dict(parse_qsl(parts.query))
        return {
            "ENGINE": "erp_site.core.mysql",
            "NAME": name,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or 3306),
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {
                "charset": "utf8mb4",
                # REPEATABLE READ deadlocks on gap locks where READ COMMITTED does not.
                "isolation_level": "read committed",
                "connect_timeout": 5,
                "init_command": "SET sql_mode='STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
                "ERROR_FOR_DIVISION_BY_ZERO', innodb_lock_wait_timeout=3",
                **options,
            },
            "TEST": {"CHARSET": "utf8mb4"},
        }
    raise ValueError("use sqlite:///path or mysql://user:password@host:port/name")


def mailer(url: str) -> dict[str, Any]:
    """Django's description of `console://`, `memory://` or `smtp[s]://user:password@host:port[?from=...]`."""
    parts = _parts(url)
    if parts.scheme == "console":
        return {"BACKEND": "django.core.mail.backends.console.EmailBackend"}
    if parts.scheme == "memory":
        return {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}
    if parts.scheme in {"smtp", "smtp+tls", "smtps"} and parts.hostname:
        return {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {
                "host": parts.hostname,
                "port": parts.port or {"smtp": 25, "smtp+tls": 587, "smtps": 465}[parts.scheme],
                "username": unquote(parts.username or ""),
                "password": unquote(parts.password or ""),
                "use_tls": parts.scheme == "smtp+tls",
                "use_ssl": parts.scheme == "smtps",
                "timeout": 10,  # seconds for each answer of the server: a manager waits for it
            },
        }
    raise ValueError(
        "use console://, smtp://host:25, smtp+tls://user:password@host:587 or smtps://user:password@host:465"
    )


def sender(url: str, hosts: Sequence[str]) -> str:
    """Whom mail comes from: `?from=` of EMAIL_URL, or the address that signs in to the mail server, or one of our host.

    Mail servers refuse what comes from whom they do not know.
    """
    parts = _parts(url)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    named = asked.pop("from", None)
    if asked or (named is not None and "@" not in named):
        raise ValueError(
            "after a ? stands from=orders@example.com, whom mail comes from, and no more"
        )
    user = unquote(parts.username or "")
    names = (host.lstrip(".") for host in hosts if re.search(r"[a-z]\.[a-z]", host))
    return named or (user if "@" in user else f"noreply@{next(names, 'localhost')}")


def kept_secret_key() -> str:
    """The secret made at the first start and kept in the data folder, readable by the owner alone."""
    file = DATA_DIR / "secret_key"
    if not file.exists():
        DATA_DIR.mkdir(parents=True, exist_ok=True)
        draft = DATA_DIR / f"secret_key.{secrets.token_hex(8)}"
        with open(draft, "x", opener=_owner_only) as new:
            new.write(secrets.token_urlsafe(64))
        # Whole or not at all, and the first one stays: several containers may share the folder.
        with suppress(FileExistsError):
            file.hardlink_to(draft)
        draft.unlink()
    return file.read_text().strip()


def _owner_only(path: str, flags: int) -> int:
    import os  # noqa: PLC0415 -- pathlib cannot set the mode at creation

    return os.open(path, flags, 0o600)


try:
    env = Environment()
except ValidationError as error:
    raise ImproperlyConfigured(
        "The environment is wrong:\n"
        + "\n".join(
            f"- {problem['loc'][0]}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        )
    ) from None

# --- what the product itself reads
PRODUCTION = env.PRODUCTION
RELAY = env.RELAY
WEBHOOK_NETWORKS = env.WEBHOOK_NETWORKS
RATE_LIMIT = env.RATE_LIMIT
RATE_LIMIT_ACCOUNT = (
    "accounts.tokens.claimed_account"  # (request) -> id of the account it names, or None
)
TRUSTED_PROXIES = env.TRUSTED_PROXIES
METRICS_TOKEN = env.METRICS_TOKEN
REDIS_URL = env.REDIS_URL
REGISTRATION = env.REGISTRATION or ("approval" if env.PRODUCTION else "open")
ADMIN_EMAIL, ADMIN_PASSWORD = env.ADMIN_EMAIL, env.ADMIN_PASSWORD
WEB_WORKERS, WEB_THREADS, HOST, PORT = env.WEB_WORKERS, env.WEB_THREADS, env.HOST, env.PORT
PUBLISHED = env.PUBLISHED

# --- Django
SECRET_KEY = env.SECRET_KEY or kept_secret_key()
DEBUG = env.DEBUG
ALLOWED_HOSTS = env.ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]", env.HOST]
CSRF_TRUSTED_ORIGINS = env.CSRF_TRUSTED_ORIGINS
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",  # allauth.usersessions' templates use it
    "django.contrib.staticfiles",
    "django_htmx",
    "django_filters",
    "ninja",  # serves Swagger from our own static files
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.headless",
    "allauth.idp.oidc",
    "erp_site",
    "erp_site.core",
    "accounts",
    "customers",
    "catalog",
    "orders",
]
MIDDLEWARE = [
    "erp_site.core.request_id.RequestIDMiddleware",
    "erp_site.core.access_log.AccessLogMiddleware",
    "erp_site.core.metrics.MetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "erp_site.core.problems.ApiProblemMiddleware",
    "erp_site.core.ratelimit.RateLimitMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.views.BearerMiddleware",  # calls with a token need nothing of what follows
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.views.LanguageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.views.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "erp_site.core.htmx.PageMiddleware",
]
ROOT_URLCONF = "erp_site.urls"
WSGI_APPLICATION = "erp_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": database(env.DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if env.REDIS_URL:
    CACHES: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "erp_site.core.cache.RedisOrLocalCache",  # people can sign in with Redis away
            "LOCATION": env.REDIS_URL,
            "KEY_PREFIX": "erp",
            "OPTIONS": {
                "SOCKET_CONNECT_TIMEOUT": 0.25,  # seconds
                "SOCKET_TIMEOUT": 0.25,
                "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
            },
        }
    }
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            # At Django's 300 a crowd of made-up addresses would push real sign-in counters out.
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    }
#: Pieces of pages, each under a name that says all of what is in it: every process makes its own.
CACHES["template_fragments"] = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "LOCATION": "fragments",
    "OPTIONS": {"MAX_ENTRIES": 2_000},
}
MAILERS = {"default": mailer(env.EMAIL_URL)}
DEFAULT_FROM_EMAIL = SERVER_EMAIL = sender(env.EMAIL_URL, ALLOWED_HOSTS)

LANGUAGE_CODE = "en"
LANGUAGES = [("pt-br", "Português (Brasil)"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "erp_site.formats"
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.TIME_ZONE

STATIC_URL = "/static/"
#: Not in data/: a volume there would hide what a newer image brings.
STATIC_ROOT = BASE_DIR / "staticfiles" if env.PRODUCTION else None
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if env.PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
#: The embedded demo serves static files where they lie; production serves what collectstatic gathered.
WHITENOISE_USE_FINDERS = not env.PRODUCTION
WHITENOISE_AUTOREFRESH = env.DEBUG

# --- security
SESSION_ENGINE = (
    "accounts.backends"  # in the database: cached sessions came back to life after a Redis outage
)
SESSION_COOKIE_AGE = 14 * 24 * 60 * 60  # seconds
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "accounts.views.csrf_failure"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = env.HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if env.HTTPS else 0
# For our host alone: on empresa.com.br, includeSubDomains would switch off every neighbour that speaks plain HTTP.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SECURE_REDIRECT_EXEMPT = [r"^health"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "manifest-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes; also the API's largest body (413 beyond)
#: No form has more. They are read into memory before anybody asks who sends them, each as large as one may be.
DATA_UPLOAD_MAX_NUMBER_FILES = 1
FILE_UPLOAD_HANDLERS = ["erp_site.core.uploads.LimitedUploadHandler"]  # never a file on the disk

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.RoleBackend"]
PASSWORD_HASHERS = ["accounts.hashers.Argon2"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"

# --- allauth
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {"reset_password": "accounts.forms.ForgottenPasswordForm"}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # whoever types an address makes no mail to strangers
ACCOUNT_PREVENT_ENUMERATION = True
# A whole company signs in at eight, from one address: what guards an account is the limit of its own (key).
ACCOUNT_RATE_LIMITS = (
    {
        "login": "300/m/ip",
        "login_failed": "30/m/ip,5/300s/key",
        "signup": "60/m/ip",
        "machine_token": "120/m/ip",
    }
    if env.RATE_LIMIT != "off"
    else False
)
ALLAUTH_TRUSTED_PROXY_COUNT = env.TRUSTED_PROXIES
HEADLESS_CLIENTS = ("app", "browser")
HEADLESS_TOKEN_STRATEGY = "accounts.tokens.JWTStrategy"
HEADLESS_JWT_ALGORITHM = "HS256"
HEADLESS_JWT_PRIVATE_KEY = SECRET_KEY
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 5 * 60  # seconds
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = 7 * 24 * 60 * 60  # seconds
HEADLESS_JWT_ROTATE_REFRESH_TOKEN = True
HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True  # logout and deactivation take effect at once
# Nobody verifies an address here: managers vouch for accounts, and can take a second step away again.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "ERP Pedidos"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not env.HTTPS
USERSESSIONS_TRACK_ACTIVITY = False
IDP_OIDC_ACCESS_TOKEN_EXPIRES_IN = 60 * 60  # seconds
IDP_OIDC_ACCESS_TOKEN_FORMAT = "opaque"

SILENCED_SYSTEM_CHECKS = [
    # allauth's conditional UNIQUEs, which MySQL and MariaDB lack: User.email is unique, and has one address row.
    "models.W036",
    # HSTS without includeSubDomains and preload: the neighbours of our host are not ours to decide about.
    "security.W005",
    "security.W021",
]
from erp_site.core.logging import configuration  # noqa: E402 -- after the values it reads

LOGGING_CONFIG = None
configuration(json=PRODUCTION, debug=DEBUG)
PRODUCT_NAME = _("ERP Pedidos")
