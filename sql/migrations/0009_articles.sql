-- depends: 0008_aggregates
-- What became of articles and readers each day; and which files need not be read again.

ALTER TABLE raw.imports ADD COLUMN fingerprint text;
COMMENT ON COLUMN raw.imports.fingerprint IS
    'Of the file''s content, as its store tells it: as long as it is the same, so is the content';

-- What an event of the app says, by the rules of docs/reports.md.
CREATE VIEW reports.article_actions AS
SELECT
    event_time,
    (event_time AT TIME ZONE 'UTC')::date AS date,
    imported_at,
    line,
    session_id,
    user_id,
    COALESCE(NULLIF(attributes ->> 'id', ''), NULLIF(attributes ->> 'ID', '')) AS article_id,
    COALESCE(NULLIF(attributes ->> 'title', ''), NULLIF(attributes ->> 'Title', '')) AS title,
    COALESCE(NULLIF(attributes ->> 'category', ''), NULLIF(attributes ->> 'Category', ''))
        AS category,
    (event_name IN ('top_news_card_viewed', 'my_news_card_viewed'))::int AS displays,
    (event_name = 'article_viewed')::int AS clicks
FROM raw.article_events;
COMMENT ON VIEW reports.article_actions IS
    'Every row of raw.article_events: its article, and whether it is a display or a click (1 or 0)';

CREATE TABLE reports.article_performance (
    article_id text COLLATE "C" NOT NULL,
    date date NOT NULL,
    title text,
    category text,
    displays bigint NOT NULL CHECK (displays >= 0),
    clicks bigint NOT NULL CHECK (clicks >= 0),
    cumulative_clicks bigint NOT NULL CHECK (cumulative_clicks >= clicks),
    ctr double precision GENERATED ALWAYS AS (clicks::double precision / NULLIF(displays, 0)) STORED,
    PRIMARY KEY (article_id, date),
    CHECK (displays + clicks > 0)
);
CREATE INDEX article_performance_date ON reports.article_performance (date);
COMMENT ON TABLE reports.article_performance IS
    'Displays and clicks of each article on each UTC date on which it had any';
COMMENT ON COLUMN reports.article_performance.title IS 'The last one seen on that date';
COMMENT ON COLUMN reports.article_performance.category IS 'The last one seen on that date';
COMMENT ON COLUMN reports.article_performance.cumulative_clicks IS
    'Clicks on that date and all dates before it that have been processed';
COMMENT ON COLUMN reports.article_performance.ctr IS
    'Click-through rate: clicks per display; NULL where nothing was displayed';

CREATE TABLE reports.user_performance (
    user_id text COLLATE "C" NOT NULL,
    date date NOT NULL,
    sessions bigint NOT NULL CHECK (sessions >= 0),
    avg_session_seconds double precision CHECK ((avg_session_seconds IS NULL) = (sessions = 0)),
    displays bigint NOT NULL CHECK (displays >= 0),
    clicks bigint NOT NULL CHECK (clicks >= 0),
    ctr double precision GENERATED ALWAYS AS (clicks::double precision / NULLIF(displays, 0)) STORED,
    PRIMARY KEY (user_id, date)
);
CREATE INDEX user_performance_date ON reports.user_performance (date);
COMMENT ON TABLE reports.user_performance IS
    'Sessions, displays and clicks of each user on each UTC date on which there is an event of theirs';
COMMENT ON COLUMN reports.user_performance.avg_session_seconds IS
    'From the first to the last event of a session on that date; NULL without a session';
COMMENT ON COLUMN reports.user_performance.ctr IS
    'Click-through rate: clicks per display; NULL where nothing was displayed';

-- For people who name no schema.
CREATE VIEW public.article_performance AS TABLE reports.article_performance;
CREATE VIEW public.user_performance AS TABLE reports.user_performance;
GRANT SELECT ON public.article_performance, public.user_performance TO warehouse_read;
