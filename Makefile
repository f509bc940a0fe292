[project]
name = "erp-pedidos"
version = "0.1.0"
description = "An order desk: orders that never oversell and never happen twice, as pages for staff and a JSON API."
readme = "README.md"
requires-python = ">=3.12"
license = "MIT"
license-files = ["LICENSE"]
# Everything here has a wheel for every common platform: the embedded default
# installs with no compiler and no headers. requirements/*.txt is the lock.
dependencies = [
    "argon2-cffi>=25.1",
    "django>=6.1.3,<6.2",
    "django-allauth[headless,idp-oidc,mfa]>=65.21.1,<66",
    "django-filter>=26.2",
    "django-htmx>=1.29",
    "django-ninja>=1.7.1,<1.8",
    "django-redis>=7.0",
    "email-validator>=2.4",
    "granian>=2.8.7,<2.9",
    "limits>=5.8",
    "orjson>=3.13",
    "prometheus-client>=0.26",
    "pydantic>=2.14",
    "pydantic-settings>=2.16",
    "python-calamine>=0.4",
    "redis>=8.1",
    "requests>=2.32", # allauth.idp.oidc imports it and does not ask for it
    "segno>=1.6",
    "standardwebhooks>=1.1",
    "structlog>=26.1",
    "tzdata>=2026.1",
    "uuid-utils>=0.11",
    "whitenoise>=6.12",
    "xlsxwriter>=3.2",
]

[project.optional-dependencies]
# Compiled on installation: needs gcc, pkg-config and MySQL or MariaDB headers.
mysql = ["mysqlclient>=2.3.1"]

[dependency-groups]
dev = [
    "babel>=2.17",
    "django-stubs[compatible-mypy]>=6.1",
    "djlint>=1.49",
    "httpx>=0.28",
    "hypothesis>=6.170",
    "import-linter>=2.16",
    "jsonschema>=4.25",
    "mypy>=2.4",
    "openapi-python-client>=0.26",
    "polib>=1.2",
    "psutil>=7.0",
    "pytest>=9.2",
    "pytest-cov>=7.0",
    "pytest-django>=4.14",
    "pytest-playwright>=0.10",
    "pytest-randomly>=4.0",
    "pytest-xdist>=3.8",
    "ruff>=0.17,<0.18",
    "schemathesis>=4.32",
    "types-jsonschema",
    "types-polib",
    "types-psutil",
    "uv>=0.13",
]

[tool.ruff]
line-length = 100
target-version = "py312"
extend-exclude = ["static/vendor"]

[tool.ruff.format]
exclude = ["**/migrations/**"]

[tool.ruff.lint]
select = [
    "A", "ARG", "ASYNC", "B", "BLE", "C4", "C90", "DJ", "DTZ", "E", "ERA", "EXE", "F", "FIX", "FLY", "FURB", "G", "I",
    "INP", "ISC", "LOG", "N", "PERF", "PGH", "PIE", "PL", "PT", "PTH", "RET", "RSE", "RUF", "S", "SIM", "SLOT", "T10",
    "T20", "TC", "TID", "TRY", "UP", "W", "YTT",
]
ignore = [
    "ARG001",  # frameworks decide the signatures of views, receivers and methods
    "ARG002",
    "DJ001",   # a nullable unique key is how SQLite, MySQL and MariaDB all allow "unique among some"
    "N818",    # a refusal is named for what it says: InsufficientStock
    "PLR0913", # keyword-only services say what they need
    "PLR2004", # HTTP statuses read better as numbers
    "RET505",  # a table of if/elif/else reads better than early returns
    "RUF012",  # Django's Meta and forms are mutable class attributes by design
    "S105",    # it takes every constant with "token" or "password" in its name for one
    "S603",    # subprocesses run fixed commands
    "S607",
    "TC001",   # ninja, pydantic and Django read annotations at run time
    "TC002",
    "TC003",
    "TRY301",
    "TRY003",  # the message of a settings error is written where it happens
]

[tool.ruff.lint.per-file-ignores]
"**/tests/**" = ["ARG001", "PLC0415", "PLR0915", "PLR0917", "S", "SLF", "TID251"]
"e2e/**" = ["ARG001", "PLR0915", "S", "T20", "TID251"]
"**/migrations/**" = ["E501", "I001"]
".ci/**" = ["INP001", "T20"]
# The faces of the product, and the site that puts them together: only they speak HTTP.
"*/{adapter,api,auth,backends,filters,forms,headless,menu,schemas,tokens,urls,views}.py" = ["TID251"]
"*/views/*.py" = ["TID251"]
"erp_site/**" = ["TID251"]

[tool.ruff.lint.flake8-tidy-imports.banned-api]
"django.http".msg = "The domain knows no web: raise a DomainError, and let a view or api.py answer."
"django.shortcuts".msg = "The domain knows no web: views render."
"django.contrib.messages".msg = "The domain knows no web: views tell people."
"django_htmx".msg = "The domain knows no web."
"ninja".msg = "The domain knows no web."

[tool.ruff.lint.isort]
known-first-party = ["accounts", "catalog", "customers", "e2e", "erp_site", "orders"]

[tool.ruff.lint.mccabe]
max-complexity = 12

[tool.ruff.lint.pep8-naming]
extend-ignore-names = ["setUp", "tearDown"]

[tool.ruff.lint.pycodestyle]
max-line-length = 120 # a comment or a message may run over; code is formatted to 100

[tool.ruff.lint.pylint]
max-returns = 8
max-branches = 14

[tool.mypy]
plugins = ["mypy_django_plugin.main", "pydantic.mypy"]
files = ["manage.py", "erp_site", "accounts", "catalog", "customers", "orders", "e2e", ".ci"]
exclude = ["/migrations/"]
strict = true
disallow_any_generics = false
disallow_subclassing_any = false
disallow_untyped_calls = false
disallow_untyped_decorators = false
warn_return_any = false
warn_unreachable = true
enable_error_code = ["ignore-without-code", "redundant-expr", "truthy-bool"]

[[tool.mypy.overrides]]
module = ["*.tests.*", "e2e.*"]
disallow_untyped_defs = false
disallow_incomplete_defs = false

[[tool.mypy.overrides]]
module = ["allauth.*", "calamine.*", "django_filters.*", "django_redis.*", "polib", "segno.*", "xlsxwriter.*"]
ignore_missing_imports = true

[tool.django-stubs]
django_settings_module = "erp_site.settings"

[tool.pytest.ini_options]
minversion = "9.0"
DJANGO_SETTINGS_MODULE = "erp_site.settings"
pythonpath = ["."]
testpaths = ["accounts", "catalog", "customers", "orders", "erp_site", "e2e"]
python_files = ["test_*.py"]
addopts = ["-p", "erp_site.testing", "--strict-config", "--strict-markers", "-m", "not browser and not fuzz and not load"]
markers = [
    "browser: drives Chromium (make e2e)",
    "fuzz: sends generated requests for minutes (make fuzz)",
    "load: floods, kills and measures (e2e/faults, e2e/load)",
]
filterwarnings = ["error"]
xfail_strict = true

[tool.coverage.run]
branch = true
source = ["erp_site", "accounts", "catalog", "customers", "orders"]
omit = ["*/tests/*", "*/migrations/*", "erp_site/testing.py"]
concurrency = ["thread"]
patch = ["subprocess"] # `manage.py serve` is tested as people start it

[tool.coverage.report]
fail_under = 92
precision = 1
show_missing = true
skip_covered = true
skip_empty = true
exclude_also = ["if TYPE_CHECKING:", "@overload", "raise NotImplementedError", "assert_never\\("]

[tool.importlinter]
root_packages = ["erp_site", "orders", "catalog", "customers", "accounts"]
include_external_packages = true
exclude_type_checking_imports = true

[[tool.importlinter.contracts]]
name = "Apps point one way: the site, then orders, catalog and customers, accounts, and the core"
type = "layers"
layers = [
    "erp_site.urls",
    "erp_site.api",
    "(erp_site.dashboard) | erp_site.feed | erp_site.health | erp_site.home",
    "orders",
    "catalog | customers",
    "accounts",
    "erp_site.core",
]
ignore_imports = ["**.tests.* -> **"] # a test may set its scene with any app
unmatched_ignore_imports_alerting = "none"

[[tool.importlinter.contracts]]
name = "Inside an app: faces, then services, then models, then vocabulary"
type = "layers"
containers = ["orders", "catalog", "customers", "accounts"]
layers = [
    "(urls)",
    "(views) | (api)",
    "(forms) | (schemas) | (filters) | (menu) | (auth) | (adapter) | (backends) | (headless)",
    "(services) | (receivers)",
    "(queries) | (tokens)",
    "(models)",
    "(states) | (signals) | (roles) | (hashers)",
]
exhaustive = true
exhaustive_ignores = ["apps", "management", "migrations", "tests"]
ignore_imports = ["**.tests.* -> **"]
unmatched_ignore_imports_alerting = "none"

[[tool.importlinter.contracts]]
name = "The site puts the apps together, and nobody imports it"
type = "forbidden"
source_modules = ["orders", "catalog", "customers", "accounts", "erp_site.core"]
forbidden_modules = [
    "erp_site.api",
    "erp_site.demo",
    "erp_site.feed",
    "erp_site.health",
    "erp_site.home",
    "erp_site.settings",
    "erp_site.urls",
    "erp_site.wsgi",
]
ignore_imports = ["**.tests.* -> **"]
unmatched_ignore_imports_alerting = "none"
allow_indirect_imports = true

[tool.djlint]
profile = "django"
indent = 2
max_line_length = 120
ignore = "H006,H030,H031,H021,H015,H043,H044"
exclude = "static/vendor,.venv"
