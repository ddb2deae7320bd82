"""Days of user events, made by PostgreSQL itself: 500,000 users, then 30 days of equal size."""

from datetime import date, timedelta

from bench.programs import checkpoint, execute, start_afresh

FIRST = date(2020, 12, 1)
USERS = 500_000

_EVENTS = """
    INSERT INTO raw.user_events (
        event_id, imported_at, line, id, event_type, username, user_email, user_type,
        organization_name, plan_name, received_at
    )
    SELECT
        (
            lpad(to_hex((EXTRACT(epoch FROM instant) * 1000)::bigint), 12, '0')
            || substr(md5(line::text || '{day}{kind}'), 13)
        )::uuid,
        now(),
        line,
        md5(who::text),
        CASE WHEN dice < 0.1 THEN 'User Created' WHEN dice < 0.95 THEN 'User Updated'
            ELSE 'User Deleted' END,
        'User ' || who,
        CASE WHEN dice < 0.15 THEN 'same' ELSE substr(md5(dice::text), 1, 8) END || '@example.com',
        'Member',
        'Organization ' || who % 200,
        (ARRAY['Free', 'Basic', 'Business', 'Enterprise'])[1 + (dice * 1000)::int % 4],
        instant
    FROM (
        SELECT
            line,
            {who} AS who,
            random() AS dice,
            '{day} 00:00+00'::timestamptz + random() * INTERVAL '86399 seconds' AS instant
        FROM generate_series(1, {events}) AS line
    ) AS events
    ORDER BY instant
"""


def day(number: int) -> date:
    """The date of the day with this number, from 1; on day 0 all users are created."""
    return FIRST + timedelta(days=number - 1)


def add_events(number: int, events: int, seed: float) -> None:
    """Events of random users at random instants of a day, the same for the same seed."""
    who = "line" if number == 0 else f"(random() * {USERS})::int"
    execute(f"SELECT raw.add_day('raw.user_events', '{day(number)}')")
    execute(
        f"SELECT setseed({seed});"
        + _EVENTS.format(day=day(number), kind=seed, who=who, events=events)
    )


def fill(days: int, events: int) -> None:
    """All users, days of so many events each, and nothing processed."""
    start_afresh()
    forget()
    add_events(0, USERS, 0)
    for number in range(1, days + 1):
        add_events(number, events, number / 100)
    execute("VACUUM ANALYZE raw.user_events")
    checkpoint()


def forget() -> None:
    """As if nothing had been processed."""
    execute("TRUNCATE crm.user_history, reports.user_events_daily, meta.etl_runs, meta.pruned")
    checkpoint()


def fingerprint() -> object:
    """Of the users dimension, keys included."""
    return execute(
        "SELECT count(*), sum(hashtextextended(users_dim::text, 0)::numeric) FROM crm.users_dim"
    )
