-- After the raw events of another server have been loaded: give each day its partition, and the
-- events a transaction number of this server. An ETL would take those of the other for new ones.
DO $do$
DECLARE
    feed regclass;
BEGIN
    FOREACH feed IN ARRAY ARRAY[
        'raw.user_events', 'raw.activity', 'raw.transactions', 'raw.user_interactions',
        'raw.article_events'
    ]::regclass[] LOOP
        EXECUTE format('UPDATE %s SET txid = txid_current()', feed);
        PERFORM raw.add_day(feed, day) FROM raw.days(feed) AS day;
    END LOOP;
END
$do$;
