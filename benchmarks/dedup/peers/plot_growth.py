"""Seconds against rows, both in powers of ten, one line a tool: `plot_growth.py MEASURED.json PICTURE.png`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator

mpl.use("agg")


def main() -> None:
    measured, picture = map(Path, sys.argv[1:])
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    growth = json.loads(measured.read_text())
    for tool, points in growth.items():
        rows, seconds = zip(*sorted(points), strict=True)
        ours = tool.startswith("phase0")
        axes.plot(
            rows, seconds, marker="o", linewidth=2.5 if ours else 1.2, linestyle="-" if ours else "--", label=tool
        )
    axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="wall seconds", title="De-duplication at Jaccard 0.8")
    axes.set_xticks(sorted({rows for points in growth.values() for rows, _ in points}))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.10g}")
        axis.set_minor_formatter("")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(fontsize="small")
    figure.savefig(picture, dpi=150)


if __name__ == "__main__":
    main()
