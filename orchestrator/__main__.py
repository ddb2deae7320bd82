"""``python -m orchestrator``: Dagster's pages, schedules and sensors, its state in PostgreSQL."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from warehouse.entry import Parser, run_command
from warehouse.environment import database_url
from warehouse.errors import UsageError
from warehouse.postgres import create_database

_CONFIG = Path(__file__).with_name("dagster.yaml")
_DATABASE = "dagster"
_DRIVER = "postgresql+psycopg2"  # which SQLAlchemy would not choose by itself


def main() -> None:
    """Run the command line."""
    run_command(_start)


def _start() -> None:
    parser = Parser(prog="python -m orchestrator", description=__doc__)
    parser.add_argument("command", choices=("up", "env"), help="serve; or print its settings")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="3000")
    parser.add_argument("--home", type=Path, default=Path(".local/dagster"))
    arguments = parser.parse_args()
    if find_spec("dagster_webserver") is None:
        raise UsageError(
            "the orchestrator needs an extra: pip install 'event-warehouse[orchestrator]'"
        )
    settings = _prepare(arguments.home.absolute())
    if arguments.command == "env":
        for name, value in settings.items():
            print(f"export {name}={value}")
        return
    where = ("-h", arguments.host, "-p", arguments.port, "--log-level", "warning")
    command = [sys.executable, "-m", "dagster", "dev", "-m", "orchestrator.definitions", *where]
    print(f"orchestrator: http://{arguments.host}:{arguments.port} (Ctrl-C ends it)", flush=True)
    os.execve(sys.executable, command, os.environ | settings)


def _prepare(home: Path) -> dict[str, str]:
    """Make what Dagster needs, a folder and a database beside ours; what leads it there."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(_CONFIG, home)
    url = database_url()
    create_database(url, _DATABASE)
    state = urlunsplit(urlsplit(url)._replace(scheme=_DRIVER, path=f"/{_DATABASE}"))
    return {"DAGSTER_HOME": str(home), "DAGSTER_DATABASE_URL": state}


if __name__ == "__main__":
    main()
