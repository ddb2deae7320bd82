# One image for every role: producer, consumer, ETLs, migrations. Target "test" adds the tools.
FROM python:3.11-slim AS build
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
COPY pyproject.toml constraints.txt README.md ./
# The dependencies alone first: a change of the code does not install them anew.
RUN mkdir consumer etls etls/aggregates etls/answers feeds feeds/core lake ops orchestrator producer warehouse warehouse/rabbitmq sql \
 && for part in consumer etls etls/aggregates etls/answers feeds feeds/core lake ops orchestrator producer warehouse warehouse/rabbitmq; do touch $part/__init__.py; done \
 && /venv/bin/pip install --quiet --constraint constraints.txt '.[lake,s3]' \
 && /venv/bin/pip uninstall --quiet --yes event-warehouse

FROM python:3.11-slim AS runtime
RUN useradd --create-home --uid 10001 warehouse
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app
WORKDIR /app
COPY --from=build /venv /venv
COPY feeds feeds
COPY warehouse warehouse
COPY producer producer
COPY consumer consumer
COPY etls etls
COPY lake lake
COPY ops ops
COPY sql sql
COPY data data
COPY main.py run.py ./
RUN python -m compileall -q .
USER warehouse
CMD ["python", "-m", "consumer"]

# Master, worker and driver of Apache Spark: the same code, PySpark, and whatever Java Debian has.
FROM build AS build_spark
RUN /venv/bin/pip install --quiet --constraint constraints.txt '.[lake,s3,spark]' && /venv/bin/pip uninstall --quiet --yes event-warehouse

FROM runtime AS spark
USER root
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends default-jre-headless procps >/dev/null \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir /work && chown warehouse /work
COPY --from=build_spark /venv /venv
ENV SPARK_NO_DAEMONIZE=1 SPARK_WORKER_DIR=/work
USER warehouse

FROM build AS build_orchestrator
RUN /venv/bin/pip install --quiet --constraint constraints.txt '.[lake,orchestrator,s3]' && /venv/bin/pip uninstall --quiet --yes event-warehouse

FROM runtime AS orchestrator
COPY --from=build_orchestrator /venv /venv
COPY orchestrator orchestrator
CMD ["python", "-m", "orchestrator", "up", "--host", "0.0.0.0", "--home", "/tmp/dagster"]

FROM build AS test
RUN /venv/bin/pip install --quiet --constraint constraints.txt '.[dev,lake,orchestrator,s3]' && /venv/bin/pip uninstall --quiet --yes event-warehouse \
 && useradd --create-home --uid 10001 warehouse && mkdir /app && chown warehouse /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONPATH=/app
WORKDIR /app
COPY --chown=warehouse . .
USER warehouse
CMD ["pytest", "tests/unit"]
