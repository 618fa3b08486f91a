"""`python -m phase0.dedup.kernels` compiles every kernel ahead of its first use, as for the image of a container."""

from __future__ import annotations

from pathlib import Path

from phase0.dedup.kernels import compiling


def main() -> None:
    """Load the kernels of every file beside this one; those that were not kept are compiled and kept."""
    compiler = {"__init__", "__main__", "bits", "building", "compiling", "instructions", "keeping", "slow"}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in compiler:
            compiling.load(path.stem)


if __name__ == "__main__":
    main()
