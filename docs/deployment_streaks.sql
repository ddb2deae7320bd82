-- One batch of changes, applied to the state of totals and runs; one transaction
-- Grain:  history: one row an id, all rows so far. totals: one row an entity and category. runs: one
--         row an entity and run of consecutive days. result: one row an entity, the same as
--         sql/aggregates/top_and_streak.sql makes of history, and the top's total. applied: one row.
-- Input:  changes(position, operation, id, entity, category, amount, day): the batch, in the order
--         of the source's log. operation is 'I', 'U' or 'D'.
-- Rule:   rows that only add go the short way: a total grows, and a day joins the runs that it
--         touches. Where a row is removed, or an amount is negative, a total may fall and a run may
--         split: that entity is remade from its own totals and history.
-- Again:  positions up to the last applied one are ignored, so a batch can come twice.

CREATE OR REPLACE TEMPORARY TABLE last_changes AS
SELECT operation, id, entity, category, amount, day
FROM (
    SELECT *, row_number() OVER (PARTITION BY id ORDER BY position DESC) AS age
    FROM changes
    WHERE position > (SELECT position FROM applied)
) AS aged
WHERE age = 1;

CREATE OR REPLACE TEMPORARY TABLE old_rows AS
SELECT history.*
FROM history
INNER JOIN last_changes ON last_changes.id = history.id;

CREATE OR REPLACE TEMPORARY TABLE new_rows AS
SELECT id, entity, category, amount, day
FROM last_changes
WHERE operation <> 'D';

CREATE OR REPLACE TEMPORARY TABLE removed AS
SELECT * FROM old_rows EXCEPT SELECT * FROM new_rows;

CREATE OR REPLACE TEMPORARY TABLE added AS
SELECT * FROM new_rows EXCEPT SELECT * FROM old_rows;

CREATE OR REPLACE TEMPORARY TABLE remade AS
SELECT entity FROM removed UNION SELECT entity FROM added WHERE amount < 0;

CREATE OR REPLACE TEMPORARY TABLE grown AS
SELECT DISTINCT entity FROM added WHERE entity NOT IN (SELECT entity FROM remade);

DELETE FROM history WHERE id IN (SELECT id FROM removed);
INSERT INTO history SELECT * FROM added;

-- Totals: those of the batch's entities and categories.

CREATE OR REPLACE TEMPORARY TABLE differences AS
SELECT entity, category, sum(n_rows) AS n_rows, sum(total) AS total
FROM (
    SELECT entity, category, 1 AS n_rows, CAST(amount AS DECIMAL(38, 0)) AS total FROM added
    UNION ALL
    SELECT entity, category, -1 AS n_rows, -CAST(amount AS DECIMAL(38, 0)) AS total FROM removed
) AS signed_rows
GROUP BY entity, category;

CREATE OR REPLACE TEMPORARY TABLE next_totals AS
SELECT
    differences.entity,
    differences.category,
    differences.n_rows + coalesce(totals.n_rows, 0) AS n_rows,
    differences.total + coalesce(totals.total, 0) AS total
FROM differences
LEFT JOIN totals
    ON totals.entity = differences.entity AND totals.category = differences.category;

DELETE FROM totals WHERE (entity, category) IN (SELECT (entity, category) FROM differences);
INSERT INTO totals SELECT * FROM next_totals WHERE n_rows > 0;

-- Runs: those that a new day touches, and all of a remade entity.

CREATE OR REPLACE TEMPORARY TABLE new_days AS
SELECT DISTINCT entity, day
FROM added
WHERE entity IN (SELECT entity FROM grown);

CREATE OR REPLACE TEMPORARY TABLE touched_runs AS
SELECT DISTINCT runs.entity, runs.first_day, runs.last_day
FROM runs
INNER JOIN new_days
    ON
        new_days.entity = runs.entity
        AND new_days.day BETWEEN runs.first_day - 1 AND runs.last_day + 1;

CREATE OR REPLACE TEMPORARY TABLE next_runs AS
WITH pieces AS (
    SELECT entity, first_day, last_day
    FROM touched_runs
    UNION
    SELECT entity, day AS first_day, day AS last_day
    FROM new_days
    UNION
    SELECT entity, day AS first_day, day AS last_day
    FROM history
    WHERE entity IN (SELECT entity FROM remade)
),
reached AS (
    SELECT
        entity,
        first_day,
        last_day,
        max(last_day) OVER (
            PARTITION BY entity ORDER BY first_day, last_day
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS last_day_before
    FROM pieces
),
numbered AS (
    SELECT
        entity,
        first_day,
        last_day,
        sum(CASE WHEN first_day <= last_day_before + 1 THEN 0 ELSE 1 END) OVER (
            PARTITION BY entity ORDER BY first_day, last_day
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS run
    FROM reached
)
SELECT entity, min(first_day) AS first_day, max(last_day) AS last_day
FROM numbered
GROUP BY entity, run;

DELETE FROM runs WHERE (entity, first_day) IN (SELECT (entity, first_day) FROM touched_runs);
DELETE FROM runs WHERE entity IN (SELECT entity FROM remade);
INSERT INTO runs SELECT * FROM next_runs;

-- Result: what it was, against what has grown; of a remade entity, against all there is.

CREATE OR REPLACE TEMPORARY TABLE next_result AS
WITH candidates AS (
    SELECT entity, top_category AS category, top_total AS total
    FROM result
    WHERE entity IN (SELECT entity FROM grown)
    UNION ALL
    SELECT entity, category, total
    FROM next_totals
    WHERE entity IN (SELECT entity FROM grown)
    UNION ALL
    SELECT entity, category, total
    FROM totals
    WHERE entity IN (SELECT entity FROM remade)
),
lengths AS (
    SELECT entity, longest_streak AS n_days
    FROM result
    WHERE entity IN (SELECT entity FROM grown)
    UNION ALL
    SELECT entity, last_day - first_day + 1 AS n_days
    FROM next_runs
),
greatest_totals AS (
    SELECT entity, max(total) AS total
    FROM candidates
    GROUP BY entity
),
tops AS (
    SELECT candidates.entity, min(candidates.category) AS top_category, candidates.total
    FROM candidates
    INNER JOIN greatest_totals
        ON
            greatest_totals.entity = candidates.entity
            AND greatest_totals.total = candidates.total
    GROUP BY candidates.entity, candidates.total
),
streaks AS (
    SELECT entity, max(n_days) AS longest_streak
    FROM lengths
    GROUP BY entity
)
SELECT tops.entity, tops.top_category, streaks.longest_streak, tops.total AS top_total
FROM tops
INNER JOIN streaks ON streaks.entity = tops.entity;

DELETE FROM result WHERE entity IN (SELECT entity FROM grown UNION ALL SELECT entity FROM remade);
INSERT INTO result SELECT * FROM next_result;
UPDATE applied SET position = greatest(position, (SELECT coalesce(max(position), 0) FROM changes));
