"""Options of commands that ask models, and the keys and URLs that the environment holds for them."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from phase0.errors import UsageError

if TYPE_CHECKING:
    from phase0.cli.screen import Screen
    from phase0.gateway.estimate import Estimate
    from phase0.stages.means import Means

Mode = Annotated[
    Literal["auto", "online", "batch"],
    Parameter(help="How models are asked; `auto`: in batches where they are cheaper."),
]
PriceOption = Annotated[
    str | None, Parameter(name="--price", help="IN,OUT in US dollars per million tokens, in place of the known price.")
]
Budget = Annotated[
    str | None, Parameter(name="--budget-usd", help="What may be spent, in US dollars. It is never exceeded.")
]
JudgeShare = Annotated[float, Parameter(help="Share of the rows that a student learns from, at first.")]
AuditShare = Annotated[float, Parameter(help="Share of the rows that a student is examined with, at least.")]
Agreement = Annotated[
    float, Parameter(help="Share of the rows that must end as the judge alone would have ended them.")
]
RetryFailed = Annotated[
    bool, Parameter(help="Ask judges once more about rows to which they gave no score.", show_default=False)
]


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What the options of a command say about buying answers, whoever gives them."""

    mode: Mode = "auto"
    budget_usd: Budget = None
    batch_size: Annotated[int | None, Parameter(help="Requests to a batch, at most.")] = None
    no_wait: Annotated[
        bool, Parameter(help="End when batches are submitted; the same command picks them up.", show_default=False)
    ] = False
    yes: Annotated[
        bool, Parameter(help="Spend more than $10 without asking, where no budget is given.", show_default=False)
    ] = False


@dataclass(frozen=True, kw_only=True)
class Asked(Spending):
    """The same, and where the models of one command are asked."""

    base_url: Annotated[
        str | None, Parameter(help="Ask this server instead of the catalogue's, for the price of the catalogue.")
    ] = None
    api_key_env: Annotated[str | None, Parameter(help="Variable that holds the key for --base-url.")] = None
    model_id: Annotated[str | None, Parameter(help="What the server calls the model.")] = None
    price: PriceOption = None


SpendingOptions = Annotated[Spending, Parameter(name="*")]
AskedOptions = Annotated[Asked, Parameter(name="*")]
NOTHING_SAID = Asked()


def means(said: Spending, screen: Screen | None = None, *, retry_failed: bool = False) -> Means:
    """How models are asked, with the keys of the environment. With a `screen`, what it will cost is told there before
    anything is spent without a budget. Raises UsageError for a value that cannot be used."""
    from phase0.catalog.prices import parse_price
    from phase0.stages.means import Means

    asked = said if isinstance(said, Asked) else Asked(**asdict(said))
    if asked.batch_size is not None and asked.batch_size < 1:
        raise UsageError(f"--batch-size is {asked.batch_size}; a batch has at least 1 request")
    if asked.api_key_env is not None and asked.base_url is None:
        raise UsageError("--api-key-env is the variable of the key for --base-url, which is not given")
    return Means(
        variables=dict(os.environ),
        mode=asked.mode,
        base_url=asked.base_url,
        key_env=asked.api_key_env,
        model_id=asked.model_id,
        price=parse_price(asked.price) if asked.price is not None else None,
        budget_usd=_dollars(asked.budget_usd),
        batch_size=asked.batch_size,
        wait=not asked.no_wait,
        retry_failed=retry_failed,
        agree=partial(_agrees, screen, yes=asked.yes) if screen is not None else None,
    )


def _agrees(screen: Screen, found: Estimate, *, yes: bool) -> bool:
    """Tell an estimate; whether the person at the terminal, if there is one, agrees to a large one."""
    from phase0.cli.printing import columns
    from phase0.gateway.estimate import table, verdict
    from phase0.stages.estimating import ASKS_ABOVE

    for line in [*columns(table(found)).splitlines(), *found.assumed, verdict(found)]:
        screen.say(line)
    if yes or found.cheapest <= ASKS_ABOVE or not sys.stdin.isatty():
        return True
    return screen.ask("Spend that? [y/N]")


def _dollars(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--budget-usd is {text!r}; it is a sum of US dollars, 0 or more")
    return amount
