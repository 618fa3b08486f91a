"""Starts a phase0 command for a script, with whatever interpreter has phase0: this one, or that of ../.venv."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def command(*words):
    """Run `phase0 WORDS…` with the arguments of this script."""
    try:
        from phase0.cli import main
    except ImportError:
        start_elsewhere()
    else:
        main([*words, *sys.argv[1:]])


def start_elsewhere():
    """Start this script again in ../.venv; without one, say in one line what to do."""
    folder = PROJECT / ".venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists() or Path(sys.prefix).resolve() == folder.resolve():
        sys.exit("phase0 is not installed for {}. Run `make setup` in {}, then this again.".format(sys.executable, PROJECT))
    arguments = [str(python), *sys.argv]
    if os.name == "nt":  # there, exec returns to the shell before the new process is done
        sys.exit(subprocess.call(arguments))
    os.execv(arguments[0], arguments)
