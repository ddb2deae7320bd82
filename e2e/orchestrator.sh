#!/bin/sh
# The orchestrator in a container: a week filled by it must be the week filled by make.
# Called by make STACK=docker e2e_orchestrator, which says where the containers are and removes them.
set -eu

sums() {
  stack/docker.sh psql -At <<'SQL'
SELECT count(*), sum(hashtext(u::text)) FROM crm.users_dim AS u;
SELECT count(*), sum(hashtext(d::text)) FROM reports.user_events_daily AS d;
SQL
}

stack/docker.sh up
make import
make users_dim user_events_daily FROM=2020-12-05 TO=2020-12-11 IMPORT_DATE=
expected=$(sums)
echo "$expected"
stack/docker.sh psql -q -c 'TRUNCATE crm.users_dim, crm.user_repeats, reports.user_events_daily, meta.etl_runs CASCADE'

page=$(stack/docker.sh orchestrator)
echo "$page"
for _ in $(seq 60); do
  ! curl -fs "${page#orchestrator: }/server_info" || break
  sleep 1
done
# Its sensor finds the stale dates by itself; and so does a person who asks for the week.
$COMPOSE --profile orchestrator exec -T orchestrator sh -c '
  eval "$(python -m orchestrator env --home /tmp/dagster)"
  dagster asset materialize -m orchestrator.definitions \
    --select crm/users_dim,reports/user_events_daily --partition-range 2020-12-05...2020-12-11' 2>&1 | tail -n 1
[ "$(sums)" = "$expected" ]
