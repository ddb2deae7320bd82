-- depends: 0007_convergence
-- What is known of each user of activity, and each customer of transactions, as streamed so far.

CREATE TABLE reports.user_activity (
    user_id text PRIMARY KEY,
    top_workspace text NOT NULL,
    longest_streak integer NOT NULL CHECK (longest_streak > 0)
);
COMMENT ON TABLE reports.user_activity IS
    'Of each user the workspace with the greatest total activity, and the most consecutive days';

CREATE TABLE reports.customers (
    customer_id text PRIMARY KEY,
    favourite_product text NOT NULL,
    longest_streak integer NOT NULL CHECK (longest_streak > 0)
);
COMMENT ON TABLE reports.customers IS
    'Of each customer the product with the most units, and the most consecutive days of purchase';
