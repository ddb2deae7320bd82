-- The top category and the longest streak of each entity
-- Grain:  one row an entity.
-- Input:  facts(entity, category, amount, day): amount a whole number, day a date; several rows an
--         entity, category and day are allowed.
-- Rule:   the category with the greatest total of amounts; of several the one that sorts first,
--         byte by byte. The longest run of consecutive days that have a row, whatever its amount:
--         days in a row differ from their rank by the same date (gaps and islands, after
--         I. Ben-Gan, "SQL Server MVP Deep Dives", 2009, chapter 5).
-- Portable: PostgreSQL, DuckDB and Spark run this text as it stands.

WITH totals AS (
    SELECT entity, category, sum(CAST(amount AS DECIMAL(19, 0))) AS total
    FROM facts
    GROUP BY entity, category
),
greatest_totals AS (
    SELECT entity, max(total) AS total
    FROM totals
    GROUP BY entity
),
tops AS (
    SELECT totals.entity, min(totals.category) AS top_category
    FROM totals
    INNER JOIN greatest_totals
        ON greatest_totals.entity = totals.entity AND greatest_totals.total = totals.total
    GROUP BY totals.entity
),
days AS (
    SELECT DISTINCT entity, day
    FROM facts
),
islands AS (
    SELECT
        entity,
        day - CAST(row_number() OVER (PARTITION BY entity ORDER BY day) AS INTEGER) AS island
    FROM days
),
runs AS (
    SELECT entity, count(*) AS n_days
    FROM islands
    GROUP BY entity, island
),
streaks AS (
    SELECT entity, CAST(max(n_days) AS INTEGER) AS longest_streak
    FROM runs
    GROUP BY entity
)
SELECT tops.entity, tops.top_category, streaks.longest_streak
FROM tops
INNER JOIN streaks ON streaks.entity = tops.entity
