-- Schemas, and a role for each job. A login is granted the role that it needs.
-- Read these files in order: they document the database. They are edited in place until version
-- 0.1.0. After that each change is a new file.

-- Roles belong to the whole server, so they may be there already.
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
            NULL;  -- the migration of another database was faster
        END;
        IF NOT pg_has_role(current_user, role_name, 'USAGE') THEN
            EXECUTE format('GRANT %I TO current_user', role_name);
        END IF;
    END LOOP;
END
$do$;

-- PostgreSQL lets PUBLIC connect, make temporary tables and call every function.
-- Ingestion and ETLs use temporary tables.
DO $do$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT, TEMPORARY ON DATABASE %I TO warehouse_ingest, warehouse_etl',
        current_database()
    );
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO warehouse_read', current_database());
END
$do$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO warehouse_etl, warehouse_read;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE SCHEMA raw;
CREATE SCHEMA raw_days;
CREATE SCHEMA crm;
CREATE SCHEMA reports;
CREATE SCHEMA IF NOT EXISTS meta;  -- the list of migrations is there already

COMMENT ON SCHEMA raw IS 'Events as they came, one table a feed; rejected rows; imports';
COMMENT ON SCHEMA raw_days IS 'The daily partitions of the tables in raw; use those in raw';
COMMENT ON SCHEMA crm IS 'Dimensions: users with their history, organizations';
COMMENT ON SCHEMA reports IS 'Reports for people';
COMMENT ON SCHEMA meta IS 'The run log of the ETLs, the list of migrations';

GRANT USAGE ON SCHEMA raw TO warehouse_ingest, warehouse_etl, warehouse_read;
GRANT USAGE ON SCHEMA raw_days, crm, reports, meta TO warehouse_etl, warehouse_read;

-- These cover the tables that later files create.
ALTER DEFAULT PRIVILEGES IN SCHEMA raw GRANT SELECT, INSERT ON TABLES TO warehouse_ingest;
ALTER DEFAULT PRIVILEGES IN SCHEMA raw, raw_days
    GRANT SELECT ON TABLES TO warehouse_etl, warehouse_read;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm, reports, meta
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO warehouse_etl;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm, reports, meta GRANT SELECT ON TABLES TO warehouse_read;
