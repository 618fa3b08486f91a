"""`python -m phase0.dedup.kernels` makes what is kept ahead of its first use, as for the image of a container: every
kernel, and the table of letters."""

from __future__ import annotations

from pathlib import Path

from phase0.dedup.kernels import compiling
from phase0.dedup.letters import learn


def main() -> None:
    """Load the kernels of every file beside this one, and the table; what was not kept is made and kept."""
    compiler = {"__init__", "__main__", "bits", "building", "compiling", "instructions", "keeping", "slow"}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in compiler:
            compiling.load(path.stem)
    learn()


if __name__ == "__main__":
    main()
