-- Rows that are stored after all.
UPDATE raw.rejected_events
SET replayed_at = now()
WHERE event_id = ANY(:'ids'::uuid[]);
