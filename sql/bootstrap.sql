-- What an administrator does once on a new server, with psql 14 or later, before the first migration:
--     OWNER_PASSWORD=… psql -f sql/bootstrap.sql
-- It makes the login that owns the warehouse, the three roles, and the database. Both stacks run it.
--
-- The owner is no superuser and makes no roles: a defect in what runs with its rights ends at the
-- database. It may create databases: the orchestrator's, and that of main.py --database.
-- What is there already stays as it is, so the script can be run again.

\set ON_ERROR_STOP on
\set owner_password ''
\getenv owner_password OWNER_PASSWORD

SET log_statement = 'none';  -- the statements hold a password
SET log_min_error_statement = 'panic';

SELECT format('CREATE ROLE warehouse LOGIN CREATEDB PASSWORD %L', :'owner_password')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse')
\gexec

SELECT format('CREATE ROLE %I NOLOGIN', name)
FROM unnest(ARRAY['warehouse_ingest', 'warehouse_etl', 'warehouse_read']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

GRANT warehouse_ingest, warehouse_etl, warehouse_read TO warehouse;

SELECT 'CREATE DATABASE warehouse OWNER warehouse'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'warehouse')
\gexec
