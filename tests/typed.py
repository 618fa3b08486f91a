"""Commands typed in the folder scripts/ of a project, with an interpreter that has no phase0."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import phase0

SOURCE = Path(phase0.__file__).parents[1]  # of the phase0 that is tested
SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def clean(**more: str) -> dict[str, str]:
    """An environment that gives nothing away."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return {**kept, **more}


class Shell:
    """Types commands in the folder scripts/ of a project."""

    def __init__(self, project: Path, python: Path, **environment: str) -> None:
        self._folder, self._env = project / "scripts", clean(**environment)
        self._python = python

    def start(self, command: str, *, alone: bool = False) -> subprocess.Popen[str]:
        """`alone`: in a session of its own, so that it can be killed with all that it started."""
        return subprocess.Popen(
            ["/bin/sh", "-c", f'python() {{ "{self._python}" "$@"; }}\n{command}'],
            cwd=self._folder,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=alone,
        )

    def type(self, command: str, status: int = 0) -> str:
        with self.start(command) as running:
            out, err = running.communicate()
        assert running.returncode == status, f"{command}\n{out}\n{err}"
        assert "Traceback" not in err, err
        return out + err
