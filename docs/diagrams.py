"""The diagrams of docs/deployment.md: boxes and arrows as SVG, legible in black and white."""

from html import escape
from pathlib import Path

_FOLDER = Path(__file__).parent
_FONT = "'Liberation Sans', Arial, Helvetica, sans-serif"
_LINE = 13  # units between two lines of text
_FILLS = {"plain": "#ffffff", "store": "#e8e8e8", "group": "none", "option": "#ffffff"}
Point = tuple[int, int]


class Drawing:
    """Boxes with a title and lines of text, and arrows between them."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}" role="img" font-family="{_FONT}">\n'
            f"<title>{escape(title)}</title>\n"
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8"'
            ' markerHeight="8" orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z"/>'
            "</marker></defs>\n"
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        )
        self._parts = list[str]()

    def box(self, place: tuple[int, int, int, int], *lines: str, kind: str = "plain") -> None:
        """A box; its first line is bold. Stores are grey, options dashed, groups are open."""
        x, y, width, height = place
        dashes = ' stroke-dasharray="5 3"' if kind in ("group", "option") else ""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4"'
            f' fill="{_FILLS[kind]}" stroke="#000000" stroke-width="1"{dashes}/>'
        )
        top = y + 15 if kind == "group" else y + (height - _LINE * len(lines)) // 2 + 10
        for number, line in enumerate(lines):
            self.text((x + width // 2, top + _LINE * number), line, bold=not number)

    def text(self, at: Point, line: str, bold: bool = False, anchor: str = "middle") -> None:
        """One line of text, by default with its middle at a point."""
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(
            f'<text x="{at[0]}" y="{at[1]}" font-size="11" text-anchor="{anchor}"{weight}>'
            f"{escape(line)}</text>"
        )

    def arrow(self, *points: Point, dashed: bool = False, both: bool = False) -> None:
        """A line through points, with a tip at its end; dashed ones start or control something."""
        path = " L".join(f"{x} {y}" for x, y in points)
        dashes = ' stroke-dasharray="3 3"' if dashed else ""
        start = ' marker-start="url(#tip)"' if both else ""
        self._parts.append(
            f'<path d="M{path}" fill="none" stroke="#000000" stroke-width="1.2"{dashes}{start}'
            ' marker-end="url(#tip)"/>'
        )

    def __str__(self) -> str:
        return self._head + "\n".join(self._parts) + "\n</svg>\n"


def overview() -> Drawing:
    """The whole solution."""
    drawing = Drawing(
        680, 452, "The solution: from the database on premises to interactive queries"
    )
    drawing.box((6, 8, 136, 436), "On premises", kind="group")
    drawing.box((16, 128, 116, 58), "Database", "table", "transactions", kind="store")
    drawing.box((16, 216, 116, 50), "Database log", "and primary key", kind="store")
    drawing.box((16, 356, 116, 44), "Analysts,", "applications")
    drawing.box((16, 292, 116, 44), "Private link", "VPN, Direct Connect")
    drawing.arrow((74, 186), (74, 216))
    drawing.arrow((74, 266), (74, 292))

    drawing.box(
        (166, 8, 508, 436), "AWS: one region, one account for each environment", kind="group"
    )
    drawing.box((350, 38, 142, 54), "Step Functions", "one run a day,", "retries, re-runs")
    drawing.box((522, 38, 142, 54), "CloudWatch, SNS", "logs, metrics,", "alarms, messages")
    drawing.box((178, 128, 142, 58), "AWS DMS", "reads the log,", "writes Parquet")
    drawing.box(
        (350, 128, 142, 58), "S3: landing", "changes as they came,", "never altered", kind="store"
    )
    drawing.box(
        (522, 128, 142, 58), "S3: history", "Iceberg table, one row", "a transaction", kind="store"
    )
    drawing.box(
        (178, 234, 142, 66),
        "S3: state",
        "totals and runs,",
        "a version a run,",
        "large sizes only",
        kind="store",
    )
    drawing.box(
        (350, 234, 142, 66),
        "ECS on Fargate",
        "DuckDB in the image",
        "of this project,",
        "1 to 256 tasks",
    )
    drawing.box(
        (522, 234, 142, 66),
        "S3: results",
        "one row a customer,",
        "a folder a run,",
        "pointer in Glue",
        kind="store",
    )
    drawing.box(
        (350, 348, 142, 58),
        "Aurora PostgreSQL",
        "option: look-ups",
        "in milliseconds",
        kind="option",
    )
    drawing.box((522, 348, 142, 58), "Amazon Athena", "interactive SQL over", "results and history")
    drawing.text((420, 434), "In all parts: IAM roles, KMS keys, VPC endpoints, CloudTrail")

    drawing.arrow((132, 314), (154, 314), (154, 157), (178, 157))
    drawing.arrow((320, 157), (350, 157))
    drawing.arrow((492, 157), (522, 157))
    drawing.arrow((421, 186), (421, 234))
    drawing.arrow((593, 186), (593, 210), (470, 210), (470, 234))
    drawing.arrow((320, 280), (350, 280), both=True)
    drawing.arrow((492, 267), (522, 267))
    drawing.arrow((593, 300), (593, 348))
    drawing.arrow((421, 300), (421, 348), dashed=True)
    drawing.arrow((350, 377), (132, 377))
    drawing.arrow((593, 406), (593, 416), (74, 416), (74, 400))
    drawing.arrow((350, 65), (335, 65), (335, 250), (350, 250), dashed=True)
    drawing.arrow((492, 65), (522, 65), dashed=True)
    return drawing


def run_of_a_day() -> Drawing:
    """The steps of one run, and what each leaves behind."""
    drawing = Drawing(680, 214, "One run: the steps, and the files that each step writes")
    steps = (
        ("1 Close", "fix the last log", "position of", "the batch"),
        ("2 Merge", "the batch into", "history, one", "commit"),
        ("3 Compute", "each bucket on", "its own, from", "version n"),
        ("4 Check", "counts, totals,", "a sample from", "full history"),
        ("5 Publish", "one call moves", "the pointer to", "folder n + 1"),
    )
    files = (
        ("batch n + 1", "list of files"),
        ("history", "snapshot n + 1"),
        ("state and result", "in folder n + 1"),
        ("run record", "figures, verdict"),
        ("pointer", "n, then n + 1"),
    )
    for number, (step, written) in enumerate(zip(steps, files)):
        x = 8 + 136 * number
        drawing.box((x, 10, 118, 74), *step)
        drawing.box((x, 118, 118, 44), *written, kind="store")
        drawing.arrow((x + 59, 84), (x + 59, 118))
        if number:
            drawing.arrow((x - 18, 47), (x, 47))
    drawing.text(
        (340, 188),
        "A step that fails is tried again from its own inputs. Until step 5 readers see version n.",
    )
    drawing.text(
        (340, 203),
        "A run that is done again writes the same folder n + 1; no step alters version n.",
    )
    return drawing


def runs_of_a_customer() -> Drawing:
    """Why a late row needs all runs of a customer."""
    drawing = Drawing(680, 150, "A late row joins two runs")
    labels = ("before", "late row", "after")
    days = ("1 2 3 _ 5 6 _ _ _ 10", "4", "1 2 3 4 5 6 _ _ _ 10")
    notes = ("runs 1-3, 5-6, 10-10: longest 3", "one added day", "runs 1-6, 10-10: longest 6")
    for row, (label, line, note) in enumerate(zip(labels, days, notes)):
        y = 32 + 38 * row
        drawing.text((8, y + 14), label, bold=True, anchor="start")
        present = set(line.split())
        for day in range(1, 11):
            name = str(day)
            if name in present:
                drawing.box((46 + 32 * day, y, 26, 20), name, kind="store")
            else:
                drawing.text((59 + 32 * day, y + 14), "·")
        drawing.text((420, y + 14), note, anchor="start")
    drawing.text((232, 18), "days with a purchase")
    drawing.text((420, 18), "kept in the state", anchor="start")
    return drawing


def service() -> Drawing:
    """This service in the same cloud."""
    drawing = Drawing(
        680, 246, "The event service: producers, broker, consumers, database, orchestrator"
    )
    drawing.box((6, 60, 120, 58), "Producers", "files on S3, or any", "AMQP client")
    drawing.box((152, 8, 522, 230), "AWS: private subnets in three zones", kind="group")
    drawing.box(
        (166, 60, 132, 58), "Amazon MQ", "RabbitMQ, three nodes,", "quorum queues", kind="store"
    )
    drawing.box((354, 60, 132, 58), "ECS on Fargate", "consumers, 2 to 4,", "by queue length")
    drawing.box(
        (524, 60, 140, 58), "RDS for PostgreSQL", "two zones, raw, crm,", "reports", kind="store"
    )
    drawing.box((354, 150, 132, 58), "ECS on Fargate", "Dagster: schedules,", "stale dates")
    drawing.box(
        (166, 150, 132, 58),
        "Secrets Manager",
        "URLs with passwords",
        "as mounted values",
        kind="store",
    )
    drawing.box((524, 150, 140, 58), "Read replica", "people, dashboards", kind="option")
    drawing.text((413, 228), "In all parts: IAM roles, KMS keys, CloudWatch, SNS, backups")
    drawing.arrow((126, 89), (166, 89))
    drawing.arrow((298, 80), (354, 80))
    drawing.arrow((354, 100), (298, 100))
    drawing.arrow((486, 89), (524, 89))
    drawing.arrow((486, 170), (505, 170), (505, 105), (524, 105))
    drawing.arrow((594, 118), (594, 150))
    drawing.arrow((298, 179), (354, 179), dashed=True)
    drawing.text((326, 74), "rows")
    drawing.text((326, 113), "receipts")
    return drawing


DRAWINGS = {
    "deployment_overview": overview,
    "deployment_run": run_of_a_day,
    "deployment_late_row": runs_of_a_customer,
    "deployment_service": service,
}


def draw_all() -> None:
    """Write every diagram beside this module."""
    for name, draw in DRAWINGS.items():
        (_FOLDER / f"{name}.svg").write_text(str(draw()), encoding="utf-8")
