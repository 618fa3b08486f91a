"""The command that stands in for a provider: simulate."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from phase0.errors import UsageError

if TYPE_CHECKING:
    from phase0.simulator.journal import Bill
    from phase0.simulator.server import Simulation
    from phase0.simulator.settings import Dialect, Model, Replayed, Settings

_AtLeastOne = validators.Number(gte=1)
_NotNegative = validators.Number(gte=0)
_Models = Annotated[
    list[str],
    Parameter(
        help="NAME or NAME=IN,OUT or NAME=IN,OUT,BATCH_IN,BATCH_OUT: a model on offer, its prices in dollars per "
        "million tokens. Without any, every name is served.",
        show_default=False,
    ),
]
_Answers = Annotated[
    list[str],
    Parameter(
        help="FILE or MODEL=FILE: answers to replay, as JSON lines of instruction, response and model.",
        show_default=False,
    ),
]


def simulate(
    *,
    port: Annotated[int, Parameter(help="Port on loopback; 0 takes a free one.")] = 8000,
    model: _Models = [],  # noqa: B006
    answers: _Answers = [],  # noqa: B006
    together: Annotated[
        bool, Parameter(help="Speak as Together does, not as OpenAI, at the base URL /v1.", show_default=False)
    ] = False,
    requests_per_minute: Annotated[
        int | None, Parameter(help="What each key may ask of each model.", validator=_AtLeastOne)
    ] = None,
    tokens_per_minute: Annotated[
        int | None, Parameter(help="Tokens of prompts and answers, likewise.", validator=_AtLeastOne)
    ] = None,
    latency: Annotated[float, Parameter(help="Median seconds until an answer.", validator=_NotNegative)] = 0.0,
    batch_seconds: Annotated[float, Parameter(help="Seconds that a batch is worked on.", validator=_NotNegative)] = 1.0,
    faults: Annotated[str, Parameter(help="NAME=RATE,NAME=RATE: what goes wrong, and how often.")] = "",
    retry_after: Annotated[float, Parameter(help="Seconds that a simulated 429 asks to wait.")] = 1.0,
    speed: Annotated[float, Parameter(help="How many times as fast as a real provider everything goes.")] = 1.0,
    seed: Annotated[int, Parameter(help="Decides which requests meet which fault.")] = 0,
    journal: Annotated[
        Path | None, Parameter(help="File for a line of JSON about every request and what it cost.")
    ] = None,
    plain: Annotated[
        bool, Parameter(help="One small answer for everything, not counted: to measure a client.", show_default=False)
    ] = False,
) -> int:
    """Stand in for a provider of models on this machine, at no cost, until Ctrl-C; then print the bill.

    It speaks as OpenAI at /v1 and at /openai/v1, as Together at /together/v1, as Replicate at /replicate/v1.
    """
    from phase0.simulator import BatchLife, Latency, Limits, Settings
    from phase0.simulator.settings import check, parse_faults

    dialect: Dialect = "together" if together else "openai"
    settings = Settings(
        seed=seed,
        dialect=dialect,
        models=tuple(_model(given) for given in model),
        answers=tuple(_replayed(given) for given in answers),
        plain=plain,
        limits=Limits(requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute),
        latency=Latency(median=latency, sigma=0.4),
        faults=parse_faults(faults, retry_after=retry_after),
        batches=BatchLife(running=batch_seconds),
        speed=speed,
        journal=str(journal) if journal else None,
    )
    check(settings)
    return _serve(settings, port)


def _serve(settings: Settings, port: int) -> int:
    import asyncio
    import signal

    from phase0.simulator.server import run

    async def until_stopped() -> Bill:
        done = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, done.set)
        return await run(settings, port, _announce, done)

    print(_owed(asyncio.run(until_stopped())))
    return 0


def _announce(simulation: Simulation) -> None:
    print(f"OPENAI_BASE_URL={simulation.url}")
    print("Any API key will do. Ctrl-C ends it and prints the bill.", flush=True)


def _owed(bill: Bill) -> str:
    lines = [
        f"{line.model} ({line.mode}): {line.requests:,} requests, {line.tokens_in:,} + {line.tokens_out:,} tokens, "
        + ("at no known price" if line.usd is None else f"${line.usd:.6f}")
        + (f"; {line.lost:,} of them could not be read" if line.lost else "")
        for line in bill.lines
    ]
    return "\n".join(["", *(lines or ["Nothing was charged."])])


def _model(given: str) -> Model:
    from phase0.simulator import Model

    name, _, prices = given.partition("=")
    told = UsageError(f"{given!r} should read NAME, NAME=IN,OUT or NAME=IN,OUT,BATCH_IN,BATCH_OUT: gpt-4o=2.50,10.")
    try:
        numbers = [Decimal(price) for price in prices.split(",")] if prices else []
    except InvalidOperation:
        raise told from None
    if not name or len(numbers) not in {0, 2, 4} or any(number < 0 for number in numbers):
        raise told
    return Model(
        name=name,
        price=(numbers[0], numbers[1]) if numbers else None,
        batch_price=(numbers[2], numbers[3]) if len(numbers) == 4 else None,
    )


def _replayed(given: str) -> Replayed:
    from phase0.simulator import Replayed

    name, sign, path = given.rpartition("=")
    if not Path(path).is_file():
        raise UsageError(f"There is no file {path!r} with answers to replay.")
    return Replayed(path=path, model=name if sign else None)
