-- depends: 0009_articles
-- Answers to what the business asks about the web site; docs/reports.md defines them.

CREATE TABLE reports.unknown_users_by_event_type (
    event_type text COLLATE "C" PRIMARY KEY,
    events bigint NOT NULL CHECK (events > 0),
    unknown_user_events bigint NOT NULL CHECK (unknown_user_events BETWEEN 0 AND events),
    share double precision GENERATED ALWAYS AS (unknown_user_events::double precision / events) STORED
);
COMMENT ON TABLE reports.unknown_users_by_event_type IS
    'How many events of each type name a user who does not exist; duplicates count once';

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

CREATE TABLE reports.visitors_by_country (
    country text COLLATE "C" PRIMARY KEY,
    visitors bigint NOT NULL CHECK (visitors > 0)
);
COMMENT ON TABLE reports.visitors_by_country IS
    'Users with an interaction, by country; unknown: users who do not exist, or without a country';

CREATE TABLE reports.valuable_users_by_age_group (
    age_group text COLLATE "C" PRIMARY KEY
        CHECK (age_group IN ('18-49', '50-80', 'straddling', 'outside', 'unknown')),
    users bigint NOT NULL CHECK (users >= 0)
);
COMMENT ON TABLE reports.valuable_users_by_age_group IS
    'Users with at least 5 VIEWs and 10 CLICKs, by age group; duplicates count once';

-- Of which event a row is the first delivery. A row repeats an event if a row before it, in the order
-- of the sources, has the same id, or the same user, type and instant under another id.
CREATE VIEW reports.interaction_deliveries AS
SELECT
    user_id,
    event_type,
    event_time,
    CASE
        WHEN row_number() OVER (same_id ORDER BY imported_at, line, event_id) > 1 THEN 'same id'
        WHEN row_number() OVER (same_event ORDER BY imported_at, line, event_id) > 1 THEN 'other id'
    END AS repeats
FROM raw.user_interactions
WINDOW
    same_id AS (PARTITION BY interaction_id COLLATE "C"),
    same_event AS (PARTITION BY user_id, event_type COLLATE "C", event_time);
COMMENT ON VIEW reports.interaction_deliveries IS
    'Every row of raw.user_interactions, and whether it repeats an event that came before; NULL: no';

-- A user who was delivered several times is as the last row says.
CREATE VIEW reports.web_users_now AS
SELECT DISTINCT ON (user_id) user_id, age, upper(country) AS country
FROM raw.web_users
ORDER BY user_id, imported_at DESC, line DESC;
COMMENT ON VIEW reports.web_users_now IS 'Registered users of the web site, as last delivered';
