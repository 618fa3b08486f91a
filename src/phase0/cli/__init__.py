"""The command line: parse, call one library function, print what it made. It decides nothing.

Exit status: 0 all is well, 1 a criterion of the verification fails, too many rows got no score, a licence does not
allow what is required or what was compared differs, 2 bad input or usage, 3 a bug in phase0, 4 not finished yet (the
budget is spent, or batches are on their way: the same command goes on), 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence

from cyclopts import App, CycloptsError, Parameter, UnknownCommandError

import phase0
from phase0.cli import (
    accounting,
    batching,
    calibrating,
    checking,
    cleaning,
    comparing,
    doctoring,
    estimating,
    exporting,
    handing,
    making,
    running,
    simulating,
    viewing,
)
from phase0.errors import Phase0Error, TooManyFailures, Unfinished, UnfitLicense

FAILED, BAD_INPUT, BUG, UNFINISHED, STOPPED = 1, 2, 3, 4, 130
_ENDED = {"stopped": STOPPED, "budget": UNFINISHED, "submitted": UNFINISHED}

app = App(
    name="phase0",
    version=phase0.__version__,
    help="Makes instruction-tuning datasets: public data in, a curated, scored, de-duplicated, verified dataset out.",
    help_format="markdown",
    default_parameter=Parameter(negative=(), consume_multiple=True),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
COMMANDS: tuple[Callable[..., int], ...] = (
    making.download,
    making.distill,
    making.score,
    making.dedup,
    cleaning.decontaminate,
    making.publish,
    exporting.export,
    checking.verify,
    checking.report,
    handing.licenses,
    handing.card,
    handing.push,
    calibrating.calibrate,
    doctoring.doctor,
    estimating.estimate,
    running.run,
    running.status,
    running.explain,
    comparing.diff,
    viewing.view,
    batching.batches,
    simulating.simulate,
)
for _place, _command in enumerate(COMMANDS):
    app.command(_command, sort_key=_place)
app.command(accounting.ledger)


def main(arguments: Sequence[str] | None = None, *, typed: Sequence[str] | None = None) -> None:
    """Run one command and exit with its status. `typed` is what a person typed for it, where that is something else."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that knows no arrow must not stop the work
            stream.reconfigure(errors="backslashreplace")
    sys.exit(status_of(sys.argv[1:] if arguments is None else list(arguments), typed=typed))


def status_of(arguments: Sequence[str], *, typed: Sequence[str] | None = None) -> int:
    """Run one command; its exit status, with every failure told in one line on the standard error."""
    again = shlex.join(typed or ["phase0", *arguments])
    try:
        status = app(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _tell(f"stopped. Nothing half-written was left behind. To go on: {again}")
        return STOPPED
    except (BrokenPipeError, SystemExit):  # the reader of our output has seen enough; rich says so by exiting
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort: what nobody expected is a bug
        expected = _expected(arguments, error, again)
        if expected is None:
            traceback.print_exception(error)
            _tell(f"this is a bug in phase0 ({type(error).__name__}). Please report it with the lines above.")
            return BUG
        _tell(expected)
        if isinstance(error, (TooManyFailures, UnfitLicense)):
            return FAILED
        return _ENDED.get(error.how, BAD_INPUT) if isinstance(error, Unfinished) else BAD_INPUT
    return int(status or 0)


def _expected(arguments: Sequence[str], error: Exception, again: str) -> str | None:
    """What to tell of an error that is the caller's, the data's or the disk's; None of one that is ours."""
    if isinstance(error, CycloptsError):
        return _usage(arguments, error)
    if isinstance(error, Unfinished):
        how = "With a larger --budget-usd the same goes on" if error.how == "budget" else "To go on"
        return f"{error} {how}: {again}"
    if isinstance(error, Phase0Error):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return None


def _usage(arguments: Sequence[str], error: CycloptsError) -> str:
    known = not isinstance(error, UnknownCommandError) and arguments and not arguments[0].startswith("-")
    return f"{error} `phase0 {f'{arguments[0]} ' if known else ''}--help` lists what there is."


def _tell(message: str) -> None:
    print(f"phase0: {' '.join(message.split())}", file=sys.stderr)
