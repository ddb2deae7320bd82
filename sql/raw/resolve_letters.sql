-- Letters that were published again and have not died since.
UPDATE raw.dead_letters
SET replayed_at = now()
WHERE letter_id = ANY(:'ids'::uuid[]) AND last_seen < :'started_at';
