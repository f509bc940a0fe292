# `make run` and `make test` need only Python 3.12 or newer, git and make.
# Variables of .env.example may be given here: make run PORT=8100 REDIS_URL=redis://localhost

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
MANAGE := $(PY) manage.py
# The lock is complete, so nothing is resolved: an older pip takes `coverage[toml]` for something the lock does not pin.
PIP := $(PY) -m pip install -qq --disable-pip-version-check --require-hashes --no-deps

# mysqlclient is compiled on installation, so only those who name a MySQL database need a compiler.
DATABASE := $(or $(value DATABASE_URL),$(shell sed -n "s/^DATABASE_URL=[\"']*//p" .env 2>/dev/null))
ifneq ($(filter mysql:%,$(DATABASE)),)
MYSQL := .venv/.mysql
endif
TEST_MYSQL := mysql://root@127.0.0.1:3306/erp_pedidos
TEST_REDIS := redis://127.0.0.1:6379/9
PYTEST := $(PY) -m pytest -n auto --maxprocesses=4
# Apart from the others: Playwright leaves an event loop behind, in which Django refuses its database.
JOURNEYS := $(PYTEST) -m browser

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

## Run

.PHONY: run serve relay
run: .venv/.base $(MYSQL) ## Serve the embedded default with demo data (Ctrl-C stops it)
	@$(MANAGE) serve --demo

serve: export PRODUCTION := on
serve: .venv/.base $(MYSQL) ## Migrate and serve with production settings, no demo data
	@$(MANAGE) serve

relay: .venv/.base $(MYSQL) ## Run one relay process (any number may run)
	@$(MANAGE) relay_events

## Check

.PHONY: test test-mysql e2e faults bench bench-lists fuzz lint types docs-check messages-check vendor-check deploy-check
test: .venv/.dev $(MYSQL) ## Run the whole suite: with coverage, then in a browser (ARGS=path: that part alone)
ifeq ($(ARGS),)
	@$(PYTEST) --cov
	@if $(PY) -m e2e.chromium; then $(JOURNEYS); fi
else
	@$(PYTEST) $(if $(findstring e2e/,$(ARGS)),-m browser) $(ARGS)
endif

test-mysql: export DATABASE_URL := $(or $(filter mysql:%,$(DATABASE)),$(TEST_MYSQL))
test-mysql: export REDIS_URL := $(or $(value REDIS_URL),$(TEST_REDIS))
test-mysql: .venv/.dev .venv/.mysql ## Run the suite on MariaDB or MySQL with Redis (DATABASE_URL, REDIS_URL)
	@$(PYTEST) $(ARGS)

e2e: .venv/.dev ## Run the browser journeys alone
	@$(PY) -m e2e.chromium
	@$(JOURNEYS) $(ARGS)

faults: .venv/.dev .venv/.mysql ## Flood, kill and break the running product on both engines, and print the figures (10 minutes)
	@DATABASE_URL=sqlite:///data/erp.sqlite3 REDIS_URL= $(PY) -m pytest -m load e2e/faults $(ARGS)
	@DATABASE_URL=$(or $(filter mysql:%,$(DATABASE)),$(TEST_MYSQL)) $(PY) -m pytest -m load e2e/faults $(ARGS)

LISTS := mysql://root@127.0.0.1:3306/erp_lists
bench: .venv/.dev .venv/.mysql ## Measure placing orders against its bare statements on both engines; writes docs/performance.md and docs/capacity.md (10 minutes)
	@$(PY) -m e2e.load.placing $(ARGS)

bench-lists: export RATE_LIMIT := off
bench-lists: .venv/.dev .venv/.mysql ## Compare every list at 1,000,000 and at 10,000 orders; writes docs/lists.md (SMALL, LARGE: databases of `manage.py seed_load`)
	@$(PY) -m e2e.load.lists --small $(or $(SMALL),$(LISTS)_10k) --large $(or $(LARGE),$(LISTS)_1m) --out docs/lists.md $(ARGS)

fuzz: .venv/.dev $(MYSQL) ## Send every API operation thousands of odd requests, as each role
	@FUZZ_EXAMPLES=$(or $(value FUZZ_EXAMPLES),200) $(PY) -m pytest -m fuzz -n 0 $(ARGS)

lint: .venv/.dev ## Check style, imports and templates
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/lint-imports
	@.venv/bin/djlint --quiet --lint templates

types: .venv/.dev ## Check types
	@$(PY) -m mypy

docs-check: .venv/.dev ## Check that the generated documents match the code
	@$(MANAGE) write_docs --check

messages-check: .venv/.dev ## Check that every word is collected, translated and compiled
	@$(PY) .ci/messages.py --check

vendor-check: ## Check that the browser files of other projects are as published
	@$(PY) .ci/vendor.py --check

deploy-check: .venv/.dev ## Check the production settings
	@PRODUCTION=on HTTPS=on ALLOWED_HOSTS=pedidos.example.com EMAIL_URL=smtp://mail.example.com DEBUG=off $(MANAGE) check --deploy --fail-level WARNING

## Write

.PHONY: format docs messages pictures vendor lock clean
format: .venv/.dev ## Format the code
	@.venv/bin/ruff check --fix
	@.venv/bin/ruff format

docs: .venv/.dev ## Write the generated documents again
	@$(MANAGE) write_docs

messages: .venv/.dev ## Collect the words of the product and compile their translations
	@$(PY) .ci/messages.py

pictures: .venv/.dev ## Take the pictures of the README anew (needs Chromium)
	@$(PY) -m e2e.pictures

vendor: .venv/.dev ## Fetch the browser files of other projects and build the icon sprite (needs npm)
	@$(PY) .ci/vendor.py

LOCK := .venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.12 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
lock: .venv/.dev ## Lock the dependencies of pyproject.toml (ARGS=--upgrade takes newer ones)
	@$(LOCK) $(ARGS) -o requirements/base.txt
	@$(LOCK) $(ARGS) -c requirements/base.txt --extra mysql -o requirements/mysql.txt
	@$(LOCK) $(ARGS) -c requirements/base.txt --group dev -o requirements/dev.txt

clean: ## Remove what the tools left behind; data/ stays
	@rm -rf .venv .coverage .coverage.* .hypothesis .schemathesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
		htmlcov staticfiles test-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

## Environment: each file below is a stamp, made again only when its lock changes

.venv/bin/python:
	@.ci/python -m venv --clear .venv

.venv/.base: requirements/base.txt | .venv/bin/python
	@echo "Installing the dependencies (once) ..."
	@$(PIP) --only-binary :all: -r $<
	@touch $@

.venv/.dev: requirements/dev.txt | .venv/.base
	@echo "Installing the development tools (once) ..."
	@$(PIP) -r $<
	@touch $@

.venv/.mysql: requirements/mysql.txt | .venv/.base
	@echo "Installing the MySQL client (once) ..."
	@$(PIP) -r $< || { echo "\nmysqlclient is compiled on installation. Install its tools, then run make again:\n\
	  Debian, Ubuntu   apt-get install gcc pkg-config python3-dev default-libmysqlclient-dev\n\
	  Fedora           dnf install gcc pkgconf python3-devel mariadb-connector-c-devel\n\
	  macOS            brew install mysql-client pkgconf\n\
	Without DATABASE_URL the embedded SQLite is used, and none of this is needed." >&2; exit 1; }
	@touch $@
