#!/bin/sh
# What the image of PostgreSQL runs once, for an empty volume: the owner, the roles and the database.
# Afterwards the superuser has no password: only a program in the container can log in as superuser.
set -eu
OWNER_PASSWORD=$POSTGRES_PASSWORD psql -X -q -U "$POSTGRES_USER" -d postgres -f /opt/bootstrap.sql
psql -X -q -U "$POSTGRES_USER" -d postgres -c "ALTER ROLE \"$POSTGRES_USER\" PASSWORD NULL"
