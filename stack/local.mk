# The stack as private processes of this checkout, and tools in its virtual environment.

LOCAL = .venv/bin/python -m stack.local --instance $(INSTANCE)
VENV_PATH = PATH="$(CURDIR)/.venv/bin:$$PATH"

UP = stack/install.sh services && $(LOCAL) up
DOWN = $(if $(wildcard .local/spark-$(INSTANCE)),$(SPARK_DOWN);) \
  $(if $(wildcard .venv/bin/python),$(LOCAL) down $(if $(KEEP_DATA),--keep-data),echo "stack: nothing to stop")
SCALE = $(LOCAL) consumers
SPARK_UP = stack/install.sh java && .venv/bin/python -m stack.spark up --instance $(INSTANCE)
SPARK_DOWN = .venv/bin/python -m stack.spark down --instance $(INSTANCE)
RUN = $(LOCAL) exec
RUN_WITH_FILES = $(LOCAL) exec
ORCHESTRATE = $(LOCAL) exec python -m orchestrator up --port $(or $(ORCHESTRATOR_PORT),3000)
RUN_FOR_REPORTS = $(LOCAL) exec
RUN_LAKE = $(LOCAL) exec python run.py $(if $(SOURCE),--source '$(SOURCE)')
PSQL = $(LOCAL) exec psql -X
ENV = $(LOCAL) env
LOGS = $(LOCAL) logs
IN_TOOLS = echo "no containers here: running in the virtual environment" && $(VENV_PATH)
IN_TOOLS_WITH_STACK = $(LOCAL) exec
TOOLS_READY = $(VENV)

setup e2e spark_cluster spark_cluster_down: $(VENV)

# The commands that use the stack need the interpreter, and say themselves when the stack is not up.
.PHONY: ready
ready: $(VENV)
