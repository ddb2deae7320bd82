-- Whether a day of a raw table has its partition, now at the latest.
SELECT raw.add_day(:'table'::regclass, :'day'::date) AS is_there;
