"""How every command ends: a one-line error and an exit code, never a traceback for a user."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from warehouse.errors import UsageError, WarehouseError
from warehouse.visible import visible

_LINE_END = "\n"  # an error may have several lines, one a file


def run_command(command: Callable[[], None]) -> NoReturn:
    """Run the command and leave: 0 done, 1 failed, 2 called wrongly, 130 interrupted."""
    try:
        command()
        sys.stdout.flush()
    except WarehouseError as error:
        sys.exit(_say(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has left; nothing more to tell it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)


def _say(error: WarehouseError) -> int:
    print(f"error: {visible(str(error), kept=_LINE_END)}", file=sys.stderr)
    return error.exit_code


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line like every other error."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")
