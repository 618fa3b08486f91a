"""What benchmarks on made rows are told alike: where rows are kept, from what they are made, where results go."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def parsed(parser: argparse.ArgumentParser, result: str) -> argparse.Namespace:
    """What was typed, with these options behind the parser's own; `result` names the file of results by default."""
    parser.add_argument("--cache", type=Path, required=True, help="folder for rows and what is worked out of them")
    parser.add_argument("--data", default=os.environ.get("PHASE0_DEV_DATA"), help="folder that holds corpus/")
    parser.add_argument("--write", nargs="?", const=result, metavar="NAME", help="keep it in results/NAME.md")
    options = parser.parse_args()
    if not options.data:
        parser.error("give --data, or set PHASE0_DEV_DATA")
    options.cache = options.cache.resolve()
    return options
