"""The command line: parse, call one library function, print what it made. It decides nothing.

Exit status: 0 all is well, 1 a criterion of the verification fails, 2 bad input or usage, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

import phase0
from phase0.errors import Phase0Error

BAD_INPUT, BUG, STOPPED = 2, 3, 130

app = App(
    name="phase0",
    version=phase0.__version__,
    help="Makes instruction-tuning datasets: public data in, a curated, scored, de-duplicated, verified dataset out.",
    help_format="plaintext",
    default_parameter=Parameter(negative=(), consume_multiple=True),
    result_action="return_value",
)
for _group, _names in {
    "making": ("download", "distill", "score", "dedup", "publish"),
    "checking": ("verify", "report"),
    "running": ("run", "status", "explain"),
}.items():
    for _name in _names:
        app.command(f"phase0.cli.{_group}:{_name}", name=_name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its status."""
    sys.exit(status_of(sys.argv[1:] if arguments is None else list(arguments)))


def status_of(arguments: Sequence[str]) -> int:
    """Run one command; its exit status, with every failure told in one line on the standard error."""
    try:
        return app(arguments, exit_on_error=False, print_error=False) or 0
    except CycloptsError as error:
        _tell(f"{error} `phase0 {_command(arguments)}--help` lists the options.")
        return BAD_INPUT
    except Phase0Error as error:
        _tell(str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        _tell("stopped. What was finished is kept; the same command goes on from there.")
        return STOPPED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort: anything that gets here is a bug
        traceback.print_exc()
        _tell(f"this is a bug in phase0 ({type(error).__name__}). Please report it with the lines above.")
        return BUG


def _command(arguments: Sequence[str]) -> str:
    return f"{arguments[0]} " if arguments and not arguments[0].startswith("-") else ""


def _tell(message: str) -> None:
    print(f"phase0: {' '.join(message.split())}", file=sys.stderr)
