#!/bin/sh
# What the Makefile does with containers: docker.sh COMMAND [ARGUMENT …], called by make.
# COMPOSE and COMPOSE_PROJECT_NAME come from stack/docker.mk.
set -eu

service_settings() {
  echo "-e DATABASE_URL=postgresql://warehouse:${POSTGRES_PASSWORD:-warehouse}@$1/warehouse" \
    "-e RABBITMQ_URL=amqp://warehouse:${RABBITMQ_PASSWORD:-warehouse}@$2/%2F"
}

# What a command says is shown only if it fails.
quietly() { # MESSAGE COMMAND …
  message=$1
  shift
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "error: $message" >&2
    exit 1
  fi
  rm -f "$log"
}

# The classic builder: it is there wherever the engine is.
build() { # TARGET TAG
  DOCKER_BUILDKIT=0 quietly "the image $2 cannot be built" docker build --target "$1" --tag "$2" .
}

health_of() { # SERVICE
  container=$($COMPOSE ps -q "$1" 2>/dev/null) && [ -n "$container" ] &&
    docker inspect --format '{{.State.Health.Status}}' "$container" 2>/dev/null
}

up() {
  build runtime "event-warehouse:$IMAGE_TAG"
  # shellcheck disable=SC2086  # COMPOSE may be two words
  quietly "the stack did not start; see make logs" $COMPOSE up -d consumer
  for _ in $(seq 120); do
    [ "$(health_of consumer)" != healthy ] || { echo "stack: up, project $COMPOSE_PROJECT_NAME"; return; }
    sleep 0.5
  done
  echo "error: the consumer is not healthy; see make logs" >&2
  exit 1
}

spark_up() {
  build spark "event-warehouse-spark:$IMAGE_TAG"
  # shellcheck disable=SC2086
  quietly "the cluster did not start" $COMPOSE --profile spark up -d spark-worker
  echo "spark://spark-master:7077"
  echo "main.py on it: IMAGE_TAG=$IMAGE_TAG $COMPOSE -p $COMPOSE_PROJECT_NAME run --rm spark python main.py … --engine spark --master …" >&2
}

spark_down() {
  # shellcheck disable=SC2086
  quietly "the cluster did not stop" $COMPOSE --profile spark rm --force --stop spark-worker spark-master
}

orchestrator() {
  build orchestrator "event-warehouse-orchestrator:$IMAGE_TAG"
  # shellcheck disable=SC2086
  quietly "the orchestrator did not start" $COMPOSE --profile orchestrator up -d orchestrator
  echo "orchestrator: http://$($COMPOSE --profile orchestrator port orchestrator 3000)"
}

scale() { # N
  # shellcheck disable=SC2086
  quietly "the consumers did not start" $COMPOSE up -d --no-recreate --scale "consumer=$1" consumer
  echo "consumers: $($COMPOSE ps -q consumer | wc -l)"
}

down() { # KEEP_DATA or nothing
  keep=${1:-}
  if [ -n "$keep" ]; then set --; else set -- --volumes; fi
  # shellcheck disable=SC2086
  quietly "the stack did not stop" $COMPOSE --profile tools --profile spark --profile orchestrator down --remove-orphans "$@"
  echo "stack: stopped, data $([ -n "$keep" ] && echo kept || echo removed)"
}

check() {
  [ -n "$($COMPOSE ps -q postgres 2>/dev/null)" ] || {
    echo "error: the stack is not set up; run make setup" >&2
    exit 2
  }
}

# The service's own image, on the stack's network; -t only where a person looks on.
run_on_network() { # ARGUMENT … of docker run
  terminal=$([ -t 0 ] && [ -t 2 ] && echo -t || true)
  # shellcheck disable=SC2046,SC2086  # words, and none of them with blanks
  exec docker run --rm -i $terminal --network "${COMPOSE_PROJECT_NAME}_default" \
    $(inner_settings) "$@"
}

run() { run_on_network "event-warehouse:$IMAGE_TAG" "$@"; }

# Files are mounted where the command will look for them, and read with the caller's own rights.
run_with_files() { # 'FILE …' COMMAND …
  files=$1
  shift
  command_words=$#
  for file in $files; do
    [ -e "$file" ] || continue
    case "$file" in /*) inside=$file ;; *) inside=/app/$file ;; esac
    set -- "$@" -v "$(realpath "$file"):$inside:ro"
  done
  set -- "$@" --user "$(id -u):$(id -g)" "event-warehouse:$IMAGE_TAG"
  # the command's words are first: turn the list round, so that they come last
  while [ "$command_words" -gt 0 ]; do
    word=$1
    shift
    set -- "$@" "$word"
    command_words=$((command_words - 1))
  done
  run_on_network "$@"
}

# In a service of docker-compose.yml, with its folders.
run_service() { # ARGUMENT … of docker-compose run
  # shellcheck disable=SC2046,SC2086
  exec $COMPOSE run --rm $([ -t 0 ] && [ -t 1 ] || echo -T) "$@"
}

run_lake() { # SOURCE or '' ARGUMENT … of run.py
  source=$1
  shift
  case "$source" in
    '') run_service etl python run.py --source /opt/data/lake "$@" ;;
    s3://*) run_service etl python run.py --source "$source" "$@" ;;
    *) run_service -v "$(realpath "$source"):/opt/lake:ro" etl python run.py --source /opt/lake "$@" ;;
  esac
}

inner_settings() { service_settings postgres:5432 rabbitmq:5672; }

env() {
  postgres=$($COMPOSE port postgres 5432)
  rabbitmq=$($COMPOSE port rabbitmq 5672)
  service_settings "$postgres" "$rabbitmq" | tr ' ' '\n' | sed -n 's/^\([A-Z].*\)/export \1/p'
  cat <<EOF
export PGHOST=${postgres%:*}
export PGPORT=${postgres##*:}
export PGUSER=warehouse
export PGPASSWORD=${POSTGRES_PASSWORD:-warehouse}
export PGDATABASE=warehouse
EOF
}

psql() { # ARGUMENT …
  terminal=$([ -t 0 ] && [ -t 1 ] || echo -T)
  # shellcheck disable=SC2086
  exec $COMPOSE exec $terminal postgres psql -X -U warehouse "$@" warehouse
}

logs() { $COMPOSE logs --follow --tail 50; }

"$@"
