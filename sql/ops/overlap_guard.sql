-- Whether every partition of crm.users_dim refuses a version that overlaps another.
SELECT bool_and(
    EXISTS (
        SELECT
        FROM pg_trigger
        WHERE tgrelid = pg_class.oid AND tgname = 'no_overlap' AND tgenabled = 'O'
    )
)
FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'crm')
    AND relname IN ('users_dim', 'users_dim_valid', 'users_dim_past');
