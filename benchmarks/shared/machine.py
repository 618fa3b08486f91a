"""What figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def machine() -> str:
    """Cores, the processor as it calls itself, and the Python."""
    return f"{os.cpu_count()} cores ({processor()}), Python {platform.python_version()}"


def processor() -> str:
    """The processor's name, or else its kind."""
    try:
        told = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        told = ""
    named = re.search(r"^model name\s*:\s*(.+?)\s*$", told, re.MULTILINE)
    return named[1] if named else platform.processor() or platform.machine()
