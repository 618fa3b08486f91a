"""The command that tells what a plan will cost: estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from phase0.cli.asking import Asked, Budget, Mode, PriceOption, means
from phase0.cli.printing import columns
from phase0.cli.screen import screen


def estimate(
    plan: Annotated[Path, Parameter(help="A plan in TOML, such as plans/phase0.toml.")],
    /,
    *,
    output: Annotated[Path | None, Parameter(help="Folder of the run. Default: runs/ and the plan's name.")] = None,
    input: Annotated[  # noqa: A002
        list[str], Parameter(help="Files or folders in place of the plan's sources.", show_default=False)
    ] = [],  # noqa: B006
    set: Annotated[  # noqa: A002
        list[str], Parameter(help="key=value in place of what the plan says.", show_default=False)
    ] = [],  # noqa: B006
    rows: Annotated[
        int | None,
        Parameter(help="So many rows, as long as those that are there.", validator=validators.Number(gte=1)),
    ] = None,
    mode: Mode = "auto",
    price: PriceOption = None,
    budget_usd: Budget = None,
) -> int:
    """Tell what a plan will cost and how long its models will take, online and in batches. Nothing is spent.

    Exit status 0 when the budget holds it, 1 when it does not, 2 for a bad plan or a model without a known price.
    """
    from phase0.estimating import estimate_plan
    from phase0.gateway.estimate import table, verdict

    with screen() as progress:
        found = estimate_plan(
            plan,
            output,
            inputs=input,
            rows=rows,
            settings=set,
            means=means(Asked(mode=mode, price=price, budget_usd=budget_usd)),
            progress=progress,
        )
    print(columns(table(found)))
    print("\n".join(["", *(f"assumed: {what}" for what in found.assumed), "", verdict(found)]))
    return 1 if found.budget is not None and found.cheapest > found.budget else 0
