-- Who owns the schemas, whether that is a superuser, and whether everybody may connect.
SELECT
    rolname,
    rolsuper,
    EXISTS (
        SELECT
        FROM pg_database
        CROSS JOIN aclexplode(COALESCE(datacl, acldefault('d', datdba)))
        WHERE datname = current_database() AND grantee = 0
    ) AS is_open
FROM pg_namespace
INNER JOIN pg_roles ON pg_roles.oid = nspowner
WHERE nspname = 'raw';
