"""Starts a phase0 command for a script, with whatever interpreter has phase0: this one, or that of ../.venv."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
AGAIN = "PHASE0_STARTED_AGAIN"


def command(*words):
    """Run `phase0 WORDS…` with the arguments of this script."""
    try:
        from phase0.cli import main
    except ImportError:
        start_elsewhere()
    else:
        main([*words, *sys.argv[1:]], typed=["python", Path(sys.argv[0]).name, *sys.argv[1:]])


def start_elsewhere():
    """Start this script again in ../.venv; where that is not the way out, say in one line what is."""
    python = PROJECT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists() or AGAIN in os.environ:
        sys.exit(f"phase0 is not installed for {sys.executable}. Run `make setup` in {PROJECT}, then this again.")
    os.environ[AGAIN] = "1"  # once: an environment without phase0 must not start itself for ever
    arguments = [str(python), *sys.argv]
    if os.name == "nt":  # there, exec returns to the shell before the new process is done
        sys.exit(subprocess.call(arguments))
    os.execv(arguments[0], arguments)
