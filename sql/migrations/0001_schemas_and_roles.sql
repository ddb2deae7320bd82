-- Schemas, and a role for each job: a login is granted the one it needs, and no more.
-- Roles belong to the whole server, not to one database, so they may be there already; another
-- database's migration may even create one between our look and our attempt.

DO $do$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['warehouse_ingest', 'warehouse_etl', 'warehouse_read'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        IF NOT pg_has_role(current_user, role_name, 'USAGE') THEN
            EXECUTE format('GRANT %I TO current_user', role_name);
        END IF;
    END LOOP;
END
$do$;

CREATE SCHEMA raw;
CREATE SCHEMA crm;
CREATE SCHEMA reports;
CREATE SCHEMA IF NOT EXISTS meta;  -- holds the list of migrations, so it is here already

COMMENT ON SCHEMA raw IS 'Events as they came, one table a feed, and the rows that were rejected';
COMMENT ON SCHEMA crm IS 'Dimensions: users with their history, organizations';
COMMENT ON SCHEMA reports IS 'Daily reports for people';
COMMENT ON SCHEMA meta IS 'What ran when: the ledger of ETL runs, the list of migrations';

GRANT USAGE ON SCHEMA raw TO warehouse_ingest, warehouse_etl, warehouse_read;
GRANT USAGE ON SCHEMA crm, reports, meta TO warehouse_etl, warehouse_read;

-- What later migrations create is covered too.
ALTER DEFAULT PRIVILEGES IN SCHEMA raw GRANT SELECT, INSERT ON TABLES TO warehouse_ingest;
ALTER DEFAULT PRIVILEGES IN SCHEMA raw GRANT SELECT ON TABLES TO warehouse_etl, warehouse_read;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm, reports, meta
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO warehouse_etl;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm, reports, meta GRANT SELECT ON TABLES TO warehouse_read;
