"""``python -m ops``: audit, doctor, replay."""

from collections.abc import Sequence
from datetime import datetime, timezone

from feeds import FEEDS, feed_named
from ops.audit import Verdict, audit
from ops.doctor import examine
from ops.replay import Choice, replay
from warehouse.entry import Parser, run_command
from warehouse.errors import UsageError, WarehouseError
from warehouse.settings import settings


def main() -> None:
    """Run the command line."""
    run_command(_dispatch)


def _dispatch() -> None:
    parser = Parser(prog="python -m ops", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    auditing = commands.add_parser("audit", help="what became of every row that was published")
    auditing.add_argument("--rows", action="store_true", help="count the raw tables' rows too")
    auditing.add_argument("--quiet", action="store_true", help="only the last line")
    commands.add_parser("doctor", help="whether what makes the promise true is in place")
    replaying = commands.add_parser("replay", help="publish again what was rejected or died")
    replaying.add_argument("--feed", default="", help="of this feed only")
    replaying.add_argument("--reason", default="", metavar="CODE", help="with this code only")
    replaying.add_argument("--since", default="", help="seen since, such as 2020-12-06 or …T10:00")
    replaying.add_argument("--dry-run", action="store_true", help="only say what would be done")
    arguments = parser.parse_args()
    match arguments.command:
        case "audit":
            _audit(arguments.rows, arguments.quiet)
        case "doctor":
            _examine()
        case "replay":
            if arguments.feed:
                feed_named(arguments.feed)
            since = _instant(arguments.since)
            choice = Choice(arguments.feed or None, arguments.reason or None, since)
            print(replay(settings(), choice, dry_run=arguments.dry_run))


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since {text}: not a date or instant such as 2020-12-06") from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _audit(count_rows: bool, quiet: bool) -> None:
    found = audit(settings(), count_rows)
    for verdict in found.verdicts:
        if not quiet or verdict.problem:
            print(verdict)
    for feed, state in found.waiting.items():
        print(f"{feed}: messages that wait: {state.messages:,}, consumers: {state.consumers}")
    wrong = sum(1 for verdict in found.verdicts if verdict.problem)
    if wrong:
        raise WarehouseError(f"audit: {wrong} of {_imports(found.verdicts)} not accounted for")
    if found.stuck:
        raise WarehouseError(
            f"audit: no consumer reads what waits for {', '.join(found.stuck)}: type make setup;"
            " if one has ended, make logs says why"
        )
    rows = sum(verdict.account.published for verdict in found.verdicts)
    queued = sum(verdict.queued for verdict in found.verdicts)
    under_way = sum(1 for verdict in found.verdicts if verdict.is_under_way)
    waiting = f", {queued:,} of them still queued" if queued else ""
    waiting += f", {under_way} under way" if under_way else ""
    print(f"audit: {_imports(found.verdicts)}, {rows:,} rows published{waiting}: all add up")


def _imports(verdicts: Sequence[Verdict]) -> str:
    return f"{len(verdicts)} import{'s' if len(verdicts) != 1 else ''}"


def _examine() -> None:
    findings = list(examine(settings(), [feed for feed in FEEDS.values() if feed.queued]))
    for finding in findings:
        print(finding)
    bad = sum(1 for finding in findings if finding.remedy)
    if bad:
        raise WarehouseError(f"doctor: {bad} of {len(findings)} checks failed")
    print(f"doctor: {len(findings)} checks, all well")


if __name__ == "__main__":
    main()
