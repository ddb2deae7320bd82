-- Reports for people; docs/reports.md defines the terms.

CREATE TABLE reports.user_events_daily (
    event_date date PRIMARY KEY,
    n_created bigint NOT NULL,
    n_updated bigint NOT NULL,
    n_deleted bigint NOT NULL,
    n_unique bigint NOT NULL,
    n_total bigint NOT NULL
);
COMMENT ON TABLE reports.user_events_daily IS 'User events of each UTC date that has any';
COMMENT ON COLUMN reports.user_events_daily.event_date IS 'The date';
COMMENT ON COLUMN reports.user_events_daily.n_created IS 'Creations';
COMMENT ON COLUMN reports.user_events_daily.n_updated IS 'Updates';
COMMENT ON COLUMN reports.user_events_daily.n_deleted IS 'Deletions';
COMMENT ON COLUMN reports.user_events_daily.n_unique IS 'Users with an event';
COMMENT ON COLUMN reports.user_events_daily.n_total IS 'Events, exact duplicates included';

CREATE TABLE reports.user_activity (
    user_id text PRIMARY KEY,
    top_workspace text NOT NULL,
    longest_streak integer NOT NULL CHECK (longest_streak > 0)
);
COMMENT ON TABLE reports.user_activity IS 'Each user of raw.activity';
COMMENT ON COLUMN reports.user_activity.user_id IS 'The user';
COMMENT ON COLUMN reports.user_activity.top_workspace IS 'The workspace with the greatest total';
COMMENT ON COLUMN reports.user_activity.longest_streak IS 'The most consecutive days with activity';

CREATE TABLE reports.customers (
    customer_id text PRIMARY KEY,
    favourite_product text NOT NULL,
    longest_streak integer NOT NULL CHECK (longest_streak > 0)
);
COMMENT ON TABLE reports.customers IS 'Each customer of raw.transactions';
COMMENT ON COLUMN reports.customers.customer_id IS 'The customer';
COMMENT ON COLUMN reports.customers.favourite_product IS 'The product with the most units';
COMMENT ON COLUMN reports.customers.longest_streak IS 'The most consecutive days with a purchase';

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
    'Every row of raw.article_events: its article, and whether it is a display or a click';
COMMENT ON COLUMN reports.article_actions.event_time IS 'When it happened';
COMMENT ON COLUMN reports.article_actions.date IS 'Its UTC date';
COMMENT ON COLUMN reports.article_actions.imported_at IS 'With line, the order in the source';
COMMENT ON COLUMN reports.article_actions.line IS 'Line of the file';
COMMENT ON COLUMN reports.article_actions.session_id IS 'The session';
COMMENT ON COLUMN reports.article_actions.user_id IS 'The reader';
COMMENT ON COLUMN reports.article_actions.article_id IS 'The article';
COMMENT ON COLUMN reports.article_actions.title IS 'Its title';
COMMENT ON COLUMN reports.article_actions.category IS 'Its category';
COMMENT ON COLUMN reports.article_actions.displays IS '1 if the article was displayed, else 0';
COMMENT ON COLUMN reports.article_actions.clicks IS '1 if the article was clicked, else 0';

CREATE TABLE reports.article_performance (
    article_id text COLLATE "C" NOT NULL,
    date date NOT NULL,
    title text,
    category text,
    displays bigint NOT NULL CHECK (displays >= 0),
    clicks bigint NOT NULL CHECK (clicks >= 0),
    cumulative_clicks bigint NOT NULL CHECK (cumulative_clicks >= clicks),
    ctr double precision
        GENERATED ALWAYS AS (clicks::double precision / NULLIF(displays, 0)) STORED,
    PRIMARY KEY (article_id, date),
    CHECK (displays + clicks > 0)
);
CREATE INDEX article_performance_date ON reports.article_performance (date);
COMMENT ON TABLE reports.article_performance IS
    'Displays and clicks of each article on each UTC date on which it had any';
COMMENT ON COLUMN reports.article_performance.article_id IS 'The article';
COMMENT ON COLUMN reports.article_performance.date IS 'The date';
COMMENT ON COLUMN reports.article_performance.title IS 'The last one seen on that date';
COMMENT ON COLUMN reports.article_performance.category IS 'The last one seen on that date';
COMMENT ON COLUMN reports.article_performance.displays IS 'How often it was displayed';
COMMENT ON COLUMN reports.article_performance.clicks IS 'How often it was clicked';
COMMENT ON COLUMN reports.article_performance.cumulative_clicks IS
    'Clicks on that date and all processed dates before it';
COMMENT ON COLUMN reports.article_performance.ctr IS
    'Click-through rate: clicks per display; NULL where nothing was displayed';

CREATE TABLE reports.user_performance (
    user_id text COLLATE "C" NOT NULL,
    date date NOT NULL,
    sessions bigint NOT NULL CHECK (sessions >= 0),
    avg_session_seconds double precision CHECK ((avg_session_seconds IS NULL) = (sessions = 0)),
    displays bigint NOT NULL CHECK (displays >= 0),
    clicks bigint NOT NULL CHECK (clicks >= 0),
    ctr double precision
        GENERATED ALWAYS AS (clicks::double precision / NULLIF(displays, 0)) STORED,
    PRIMARY KEY (user_id, date)
);
CREATE INDEX user_performance_date ON reports.user_performance (date);
COMMENT ON TABLE reports.user_performance IS
    'Sessions, displays and clicks of each reader on each UTC date with an event of theirs';
COMMENT ON COLUMN reports.user_performance.user_id IS 'The reader';
COMMENT ON COLUMN reports.user_performance.date IS 'The date';
COMMENT ON COLUMN reports.user_performance.sessions IS 'Sessions with an event on that date';
COMMENT ON COLUMN reports.user_performance.avg_session_seconds IS
    'From the first to the last event of a session on that date; NULL without a session';
COMMENT ON COLUMN reports.user_performance.displays IS 'Articles displayed';
COMMENT ON COLUMN reports.user_performance.clicks IS 'Articles clicked';
COMMENT ON COLUMN reports.user_performance.ctr IS
    'Click-through rate: clicks per display; NULL where nothing was displayed';

-- For people who name no schema.
CREATE VIEW public.article_performance AS TABLE reports.article_performance;
CREATE VIEW public.user_performance AS TABLE reports.user_performance;
GRANT SELECT ON public.article_performance, public.user_performance TO warehouse_read;

CREATE TABLE reports.unknown_users_by_event_type (
    event_type text COLLATE "C" PRIMARY KEY,
    events bigint NOT NULL CHECK (events > 0),
    unknown_user_events bigint NOT NULL CHECK (unknown_user_events BETWEEN 0 AND events),
    share double precision
        GENERATED ALWAYS AS (unknown_user_events::double precision / events) STORED
);
COMMENT ON TABLE reports.unknown_users_by_event_type IS
    'How many events of each type name a user who does not exist; duplicates count once';
COMMENT ON COLUMN reports.unknown_users_by_event_type.event_type IS 'The type';
COMMENT ON COLUMN reports.unknown_users_by_event_type.events IS 'Events';
COMMENT ON COLUMN reports.unknown_users_by_event_type.unknown_user_events IS
    'Those whose user does not exist';
COMMENT ON COLUMN reports.unknown_users_by_event_type.share IS 'Their share, from 0 to 1';

CREATE TABLE reports.duplicates_by_date (
    event_date date PRIMARY KEY,
    deliveries bigint NOT NULL CHECK (deliveries > 0),
    same_id bigint NOT NULL CHECK (same_id >= 0),
    other_id bigint NOT NULL CHECK (other_id >= 0),
    duplicates bigint GENERATED ALWAYS AS (same_id + other_id) STORED,
    CHECK (same_id + other_id <= deliveries)
);
COMMENT ON TABLE reports.duplicates_by_date IS
    'Of the rows of each UTC date, how many repeat an event: under its id again, or under another';
COMMENT ON COLUMN reports.duplicates_by_date.event_date IS 'The date';
COMMENT ON COLUMN reports.duplicates_by_date.deliveries IS 'Rows';
COMMENT ON COLUMN reports.duplicates_by_date.same_id IS 'Rows with an id that came before';
COMMENT ON COLUMN reports.duplicates_by_date.other_id IS
    'Rows with an event that came before under another id';
COMMENT ON COLUMN reports.duplicates_by_date.duplicates IS 'Both together';

CREATE TABLE reports.visitors_by_country (
    country text COLLATE "C" PRIMARY KEY,
    visitors bigint NOT NULL CHECK (visitors > 0)
);
COMMENT ON TABLE reports.visitors_by_country IS 'Users with an interaction, by country';
COMMENT ON COLUMN reports.visitors_by_country.country IS
    'Two letters; unknown: users who do not exist, or without a country';
COMMENT ON COLUMN reports.visitors_by_country.visitors IS 'Users';

CREATE TABLE reports.valuable_users_by_age_group (
    age_group text COLLATE "C" PRIMARY KEY
        CHECK (age_group IN ('18-49', '50-80', 'straddling', 'outside', 'unknown')),
    users bigint NOT NULL CHECK (users >= 0)
);
COMMENT ON TABLE reports.valuable_users_by_age_group IS
    'Users with at least 5 VIEWs and 10 CLICKs, by age group; duplicates count once';
COMMENT ON COLUMN reports.valuable_users_by_age_group.age_group IS
    'Years; straddling: a range in both groups or partly outside them';
COMMENT ON COLUMN reports.valuable_users_by_age_group.users IS 'Users';

-- A row repeats an event if a row before it, in the order of the sources, has the same id; or the
-- same user, type and time under another id.
CREATE VIEW reports.interaction_deliveries AS
SELECT
    user_id,
    event_type,
    event_time,
    CASE
        WHEN row_number() OVER (same_id ORDER BY imported_at, line, event_id) > 1
            THEN 'same id'
        WHEN row_number() OVER (same_event ORDER BY imported_at, line, event_id) > 1
            THEN 'other id'
    END AS repeats
FROM raw.user_interactions
WINDOW
    same_id AS (PARTITION BY interaction_id COLLATE "C"),
    same_event AS (PARTITION BY user_id, event_type COLLATE "C", event_time);
COMMENT ON VIEW reports.interaction_deliveries IS
    'Every row of raw.user_interactions, and whether it repeats an event that came before';
COMMENT ON COLUMN reports.interaction_deliveries.user_id IS 'The user';
COMMENT ON COLUMN reports.interaction_deliveries.event_type IS 'The type';
COMMENT ON COLUMN reports.interaction_deliveries.event_time IS 'When it happened';
COMMENT ON COLUMN reports.interaction_deliveries.repeats IS
    'same id, or other id: the event came before; NULL: it did not';

CREATE VIEW reports.web_users_now AS
SELECT DISTINCT ON (user_id) user_id, age, upper(country) AS country
FROM raw.web_users
ORDER BY user_id, imported_at DESC, line DESC;
COMMENT ON VIEW reports.web_users_now IS 'Registered users of the web site, as last delivered';
COMMENT ON COLUMN reports.web_users_now.user_id IS 'The user';
COMMENT ON COLUMN reports.web_users_now.age IS 'Years, or a range of years';
COMMENT ON COLUMN reports.web_users_now.country IS 'Two capital letters';
