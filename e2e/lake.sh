#!/bin/sh
# docker-compose up, and nothing else: the service etl must end with 0 and leave the tables filled;
# a second time it changes nothing. Called by make STACK=docker e2e_lake, which removes all of it.
set -eu

REPORTS_FOLDER=$(mktemp -d)
export REPORTS_FOLDER
trap 'rm -rf "$REPORTS_FOLDER"' EXIT

tables() {
  stack/docker.sh psql -At <<'SQL'
SELECT count(*), sum(displays), sum(clicks), sum(hashtext(a::text)) FROM article_performance AS a;
SELECT count(*), sum(sessions), sum(clicks), sum(hashtext(u::text)) FROM user_performance AS u;
SQL
}

once() {
  $COMPOSE up -d >/dev/null 2>&1
  code=$(docker wait "$($COMPOSE ps -q etl)")
  $COMPOSE logs --no-color etl | tail -n 12
  echo "etl: exit code $code"
  [ "$code" = 0 ]
}

$COMPOSE build --quiet >/dev/null 2>&1
once
first=$(tables)
echo "$first"
case "$first" in 0\|*) exit 1 ;; esac
ls "$REPORTS_FOLDER"/article_ctr.png "$REPORTS_FOLDER"/article_ctr.svg
once
[ "$(tables)" = "$first" ]
