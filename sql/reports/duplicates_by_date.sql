-- reports.duplicates_by_date
-- Question: on which date were a lot of events duplicated?
-- Grain:    one row a UTC date with an event.
-- Inputs:   raw.user_interactions, all of them.
-- Rule:     a row is a duplicate if a row before it, in the order of the sources, has the same id,
--           or the same user, type and instant under another id. It counts on the date of its event.
DELETE FROM reports.duplicates_by_date;

INSERT INTO reports.duplicates_by_date (event_date, deliveries, same_id, other_id)
SELECT
    (event_time AT TIME ZONE 'UTC')::date,
    count(*),
    count(*) FILTER (WHERE repeats = 'same id'),
    count(*) FILTER (WHERE repeats = 'other id')
FROM reports.interaction_deliveries
GROUP BY 1;
