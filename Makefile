# Every command a person types. STACK=docker runs in containers, STACK=local in private processes.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

FEED ?= user_events
SOURCE ?=
IMPORT_DATE ?=
FROM ?=
TO ?=
ROUNDS ?= 16
LONGEST ?= 60
SEED ?=
FAULT ?=
REASON ?=
SINCE ?=
DRY_RUN ?=
VERBOSE ?=
ALL_STALE ?=
FULL ?=
BEFORE ?=
ETL ?=
AGAINST ?=
YES ?=
INSTANCE ?= main
KEEP_DATA ?=
N ?= 1

DEMO_FROM := 2020-12-05
DEMO_TO := 2020-12-11

# A Docker client without an engine that answers is no Docker.
ifndef STACK
STACK := $(shell docker info >/dev/null 2>&1 && echo docker || echo local)
STACK_NOTE := ($(if $(filter docker,$(STACK)),a Docker engine answers,no Docker engine answers); set STACK to choose)
endif
ifeq ($(filter $(STACK),docker local),)
$(error STACK=$(STACK): choose docker or local)
endif
export STACK INSTANCE

VENV := .venv/.complete
include stack/$(STACK).mk

# What the ETL commands are told: what is stale, a range, or else one date, or how to name one.
DATES = $(if $(ALL_STALE),--stale,$(if $(FROM)$(TO),--from '$(FROM)' --to '$(TO)',--date '$(IMPORT_DATE)'))
ETLS := users_dim user_events_daily article_performance user_performance

UNIT_TESTS = pytest tests/unit --cov --cov-report=term
LINT = black --check --quiet . && isort --check --quiet . && mypy && pylint $(PACKAGES) && flake8
PACKAGES := bench chaos consumer data dev docs e2e etls feeds lake main.py ops orchestrator producer run.py stack tests warehouse

.PHONY: help
help: ## list the commands
	@echo "stack: $(STACK) $(STACK_NOTE)"
	@sed -n 's/^\([a-z_0-9]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	  awk -F'|' '{printf "  make %-20s %s\n", $$1, $$2}'

.PHONY: demo
demo: setup ## the whole way: set up, import, both ETLs for a week, and show the result
	@$(MAKE) import
	@$(MAKE) users_dim user_events_daily FROM=$(DEMO_FROM) TO=$(DEMO_TO) IMPORT_DATE=
	@$(PSQL) -f - <sql/demo.sql

.PHONY: setup
setup: ## start PostgreSQL, RabbitMQ and the consumer, and migrate the database
	@echo "stack: $(STACK) $(STACK_NOTE)"
	@$(UP)

.PHONY: consumers
consumers: ready ## let N=4 consumers share the load; N=1 is what setup starts
	@$(SCALE) $(N)

.PHONY: import
import: ready ## load organizations and publish user events; or FEED=name SOURCE='file …' (- is stdin)
ifneq ($(SOURCE),)
	@$(RUN_WITH_FILES) python -m producer --feed $(FEED) $(SOURCE)
else ifneq ($(filter command environment,$(origin FEED)),)
	@echo "error: SOURCE is missing: type make import FEED=$(FEED) SOURCE='file …'; data/ has samples" >&2; exit 2
else
	@$(RUN) python -m etls load organizations data/organizations.csv
	@$(RUN) python -m producer --feed user_events data/user_events.csv
endif
	@$(RUN) python -m ops audit --quiet

.PHONY: $(ETLS)
users_dim: ready ## versions of users; IMPORT_DATE=2020-12-05, or FROM= TO=, or ALL_STALE=1
user_events_daily: ready ## events per day by type; the same, and FULL=1, DRY_RUN=1 VERBOSE=1
article_performance: ready ## displays, clicks and rate per article and day; the same
user_performance: ready ## sessions, displays, clicks and rate per reader and day; the same
$(ETLS):
	@$(RUN) python -m etls run $@ $(DATES) $(if $(FULL),--full) $(if $(DRY_RUN),--dry-run $(if $(VERBOSE),-v))

.PHONY: articles article_report
articles: ready ## the article lake, from files to tables to the picture in reports/; SOURCE=folder
	@$(RUN_LAKE) $(if $(FROM),--from '$(FROM)') $(if $(TO),--to '$(TO)')
article_report: ready ## draw the picture anew from the tables
	@$(RUN_LAKE) --only-picture

.PHONY: web_import answers
web_import: ready ## the web site's users and interactions of data/
	@$(RUN) python -m producer --feed web_users data/users.csv
	@$(RUN) python -m producer --feed user_interactions data/user_interaction.csv
answers: ready ## the business questions about web interactions, on screen and in reports/answers.md
	@$(RUN_FOR_REPORTS) python -m etls answers --page reports/answers.md

.PHONY: user_activity customers
user_activity: ready ## top workspace and longest streak per user, of all streamed activity
customers: ready ## favourite product and longest streak per customer; IMPORT_DATE= is the last date
user_activity customers:
	@$(RUN) python -m etls aggregate $@ $(if $(IMPORT_DATE),--through '$(IMPORT_DATE)')

.PHONY: spark_cluster spark_cluster_down
spark_cluster: ## start a Spark master and two workers, and print the address for main.py --master
	@$(SPARK_UP)
spark_cluster_down: ## stop them
	@$(SPARK_DOWN)

.PHONY: orchestrator
orchestrator: ready ## Dagster: schedules, stale dates, back-fills; ORCHESTRATOR_PORT=3000 of 127.0.0.1
	@$(ORCHESTRATE)

.PHONY: stale
stale: ready ## the dates of each ETL that have events its last run has not seen
	@$(RUN) python -m etls status

.PHONY: verify
verify: ready ## examine the tables of the ETLs as a whole, against raw events; exit 1 if one is wrong
	@$(RUN) python -m etls verify

.PHONY: prune
prune: ready ## drop raw days that every ETL has processed; BEFORE=2020-12-06 DRY_RUN=1; YES=1 does not ask
	@$(RUN) python -m etls prune --before '$(BEFORE)' $(if $(DRY_RUN),--dry-run) $(if $(YES),--yes)

.PHONY: audit
audit: ready ## what became of every row ever published; exit 1 if it does not add up
	@$(RUN) python -m ops audit --rows

.PHONY: rejects
rejects: ready ## rejected rows and dead letters by feed and reason
	@$(PSQL) -f - <sql/rejects.sql

.PHONY: replay
replay: ready ## publish again what was set aside; FEED=name REASON=code SINCE=2020-12-06 DRY_RUN=1
	@$(RUN) python -m ops replay --feed '$(if $(filter command environment,$(origin FEED)),$(FEED))' \
	  --reason '$(REASON)' --since '$(SINCE)' $(if $(DRY_RUN),--dry-run)

.PHONY: doctor
doctor: ready ## whether what makes the promise true is in place; exit 1 if not
	@$(RUN) python -m ops doctor

.PHONY: env
env: ready ## print settings for other clients: eval "$(make -s env)"
	@$(ENV)

.PHONY: psql
psql: ready ## open the database
	@$(PSQL)

.PHONY: logs
logs: ## follow the logs of the services
	@$(LOGS)

.PHONY: test
test: $(VENV) ## run all tests on private services, without containers
	@stack/test.sh pytest --cov --cov-report=term --cov-fail-under=90

.PHONY: test_docker
test_docker: $(TOOLS_READY) ## unit tests with coverage, in a container where there is Docker
	@$(IN_TOOLS) sh -c '$(UNIT_TESTS)'

.PHONY: lint
lint: $(VENV) ## black, isort, mypy, pylint and flake8
	@PATH="$(CURDIR)/.venv/bin:$$PATH" && $(LINT) && echo "lint: black, isort, mypy, pylint, flake8: clean"

.PHONY: lint_docker
lint_docker: $(TOOLS_READY) ## the same, in a container where there is Docker
	@$(IN_TOOLS) sh -c '$(LINT)'

.PHONY: format
format: $(VENV) ## black and isort, writing
	@.venv/bin/black --quiet . && .venv/bin/isort --quiet .

.PHONY: docs
docs: $(VENV) ## draw the diagrams and build docs/deployment.pdf, the proposal for a cloud
	@stack/install.sh docs
	@.venv/bin/pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@.venv/bin/python -m docs.build

.PHONY: etl_versions etl_equivalent
etl_versions: $(VENV) ## record each ETL whose version is new; exit 1 if one has changed without
	@.venv/bin/python -m dev.etl_versions record
etl_equivalent: $(VENV) ## record a change of ETL=name that keeps results, after running old (AGAINST=HEAD) and new
	@stack/test.sh python -m dev.etl_versions equivalent '$(ETL)' $(if $(AGAINST),--against '$(AGAINST)')

.PHONY: chaos
chaos: $(VENV) ## real faults while events flow, each round compared row by row; ROUNDS=16 SEED=n FAULT=name
	@stack/test.sh python -m chaos --rounds $(ROUNDS) --longest $(LONGEST) $(if $(SEED),--seed $(SEED)) \
	  $(if $(FAULT),--fault '$(FAULT)')

.PHONY: e2e
e2e: $(TOOLS_READY) ## the whole system on services of its own, compared row by row; leaves nothing behind
	@$(MAKE) e2e_on_its_own INSTANCE=e2e-$$$$

.PHONY: e2e_on_its_own
e2e_on_its_own:
	@trap '$(DOWN)' EXIT; trap 'exit 130' INT TERM; $(UP) && $(IN_TOOLS_WITH_STACK) pytest e2e

.PHONY: bench
bench: $(VENV) ## measure against baselines, on private services; BENCH='--rounds 1 --only bulk'
	@stack/test.sh python -m bench $(BENCH)

.PHONY: teardown
teardown: ## stop and remove what setup and spark_cluster started; KEEP_DATA=1 keeps the data
	@$(DOWN)

# The virtual environment, made anew when what it holds changes.
$(VENV): pyproject.toml constraints.txt
	@python=$$(stack/install.sh python) && echo "python: making .venv" >&2 && \
	  "$$python" -m venv --clear .venv && \
	  .venv/bin/pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[dev,lake,orchestrator,s3,spark]'
	@touch $@
