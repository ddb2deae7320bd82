-- Displays and clicks of the articles of each category on each date, for the picture.
-- Returns date, category (NULL: none named), displays, clicks.
SELECT date, category, sum(displays)::bigint AS displays, sum(clicks)::bigint AS clicks
FROM reports.article_performance
GROUP BY date, category
ORDER BY date, category;
