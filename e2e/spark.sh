#!/bin/sh
# The same file by both engines, Spark's on a cluster of containers: the tables must be equal.
# Called by make STACK=docker e2e_spark, which says where the containers are and removes them.
set -eu

stack/docker.sh up
master=$(stack/docker.sh spark_up)

main() { # SERVICE ARGUMENT …
  service=$1
  shift
  $COMPOSE run --rm -T "$service" python main.py --source /opt/data/transaction.csv "$@"
}
main etl --table by_duckdb
main spark --table by_spark --engine spark --master "$master"

compared=$(stack/docker.sh psql -At <<'SQL'
SELECT count(*) FILTER (WHERE one IS NULL OR other IS NULL) || ' of ' || count(*)
FROM by_duckdb AS one
FULL JOIN by_spark AS other USING (customer_id, favourite_product, longest_streak);
SQL
)
echo "rows that differ: $compared"
case "$compared" in "0 of 0") exit 1 ;; "0 of "*) ;; *) exit 1 ;; esac
