# The stack as containers, and tools in one.

# One project per checkout and instance, so that two checkouts on a machine do not meet.
CHECKOUT_ID := $(shell printf %s '$(CURDIR)' | cksum | cut -c1-6)
export COMPOSE_PROJECT_NAME := event-warehouse-$(INSTANCE)-$(CHECKOUT_ID)
export COMPOSE := $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
export IMAGE_TAG := $(CHECKOUT_ID)
TEST_IMAGE := event-warehouse-test:$(CHECKOUT_ID)

UP = stack/docker.sh up
DOWN = stack/docker.sh down $(KEEP_DATA)
SCALE = stack/docker.sh scale
SPARK_UP = stack/docker.sh spark_up
SPARK_DOWN = stack/docker.sh spark_down
RUN = stack/docker.sh run
RUN_WITH_FILES = stack/docker.sh run_with_files '$(SOURCE)'
ORCHESTRATE = stack/docker.sh orchestrator
RUN_FOR_REPORTS = stack/docker.sh run_service etl
RUN_LAKE = stack/docker.sh run_lake '$(SOURCE)'
PSQL = stack/docker.sh psql
ENV = stack/docker.sh env
LOGS = stack/docker.sh logs
IN_TOOLS = docker run --rm $(TEST_IMAGE)
IN_TOOLS_WITH_STACK = docker run --rm --network $(COMPOSE_PROJECT_NAME)_default \
  $$(stack/docker.sh inner_settings) $(TEST_IMAGE)
TOOLS_READY = test_image

.PHONY: test_image ready
test_image:
	@stack/docker.sh build test $(TEST_IMAGE)

ready:
	@stack/docker.sh check

# What only containers can show: e2e/spark.sh and its like, on services of their own.
.PHONY: e2e_spark e2e_lake e2e_orchestrator e2e_script
e2e_spark e2e_lake e2e_orchestrator:
	@$(MAKE) e2e_script SCRIPT=$(@:e2e_%=e2e/%.sh) INSTANCE=$(@:e2e_%=%)-$$$$

e2e_script:
	@trap '$(DOWN)' EXIT; trap 'exit 130' INT TERM; $(SCRIPT)
