"""``python -m producer``: publish the rows of files as events."""

from argparse import Namespace

from feeds import FEEDS, feed_named
from producer.publish import Options, publish
from warehouse.entry import Parser, run_command
from warehouse.errors import UsageError


def main() -> None:
    """Run the command line."""
    run_command(_publish)


def _arguments() -> Namespace:
    parser = Parser(prog="python -m producer", description="Publish the rows of files as events.")
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="CSV, TSV or JSON file, .gz too, s3://bucket/key; - is stdin",
    )
    queued = [feed.name for feed in FEEDS.values() if feed.queued]
    parser.add_argument("--feed", default="user_events", help=f"one of {', '.join(queued)}")
    parser.add_argument("--per-event", action="store_true", help="one message a row, as JSON")
    parser.add_argument("--rate", type=float, help="at most so many rows a second")
    parser.add_argument(
        "--no-wait", action="store_true", help="return when the broker has everything"
    )
    arguments = parser.parse_args()
    if arguments.rate is not None and arguments.rate <= 0:
        raise UsageError("--rate: a number of rows a second greater than 0")
    return arguments


def _publish() -> None:
    arguments = _arguments()
    feed = feed_named(arguments.feed)
    if not feed.queued:
        raise UsageError(f"{feed.name} do not go through the queue; run make import without FEED")
    options = Options(arguments.per_event, arguments.rate, not arguments.no_wait)
    published = publish(feed, arguments.sources, options)
    if published.rows or not published.broken:
        print(f"{feed.name}: {published}")
    published.complain()


if __name__ == "__main__":
    main()
