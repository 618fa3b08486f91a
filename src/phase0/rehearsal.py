"""A rehearsal: a whole run against a simulator on this machine, at no cost, in a folder and with a ledger of its own.

Prices, batches and limits are those of the catalogue; answers are replayed from files or made up. What the ledger says
was bought must be what the simulator charged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from phase0.catalog.models import Server, Teacher
from phase0.catalog.models import teacher as find_teacher
from phase0.engine import Engine
from phase0.errors import Phase0Error, UsageError, near_miss
from phase0.exchanges import EXCHANGES
from phase0.ledger import FILE, Ledger, Spend
from phase0.plan import Plan, load_plan
from phase0.progress import SILENT, Progress
from phase0.runs import Run, means_of, run
from phase0.simulator import BatchLife, Model, Replayed, Settings, Simulated, simulated
from phase0.simulator.journal import Bill
from phase0.simulator.wire import Tongue
from phase0.stages.download import PUBLIC_HUB, Hub
from phase0.stages.judges import Judge
from phase0.stages.means import Means, Place, places, wanted
from phase0.stages.score import check_judges
from phase0.steps import rule_of
from phase0.workspace import MARK, hold

SPEED = 60  # a minute of limits in a second
_BATCHES = BatchLife(validating=10, running=120, finalizing=10)  # seconds at the server: in a rehearsal about two
_KEY = "rehearsal"


class Bought(NamedTuple):
    """What was bought of one model, and what that would have cost by the ledger, and by the simulator's own bill."""

    model: str
    server: str
    requests: int
    tokens_in: int
    tokens_out: int
    cost: Decimal  # US dollars
    billed: Decimal | None


class Rehearsal(NamedTuple):
    """What a rehearsal made, what this call bought, and what all of its ledger would have cost, in US dollars."""

    run: Run
    bought: tuple[Bought, ...]
    cost: Decimal


def rehearse(
    plan: Plan | str | Path,
    output: str | Path | None = None,
    *,
    inputs: Sequence[str | Path] = (),
    settings: Sequence[str] = (),
    answers: Sequence[str] = (),
    hub: Hub = PUBLIC_HUB,
    engine: Engine | None = None,
    means: Means | None = None,
    speed: int = SPEED,
    progress: Progress = SILENT,
) -> Rehearsal:
    """Do what `run` would do, with a simulator in place of all servers, in the folder `OUTPUT.rehearsal`.

    `answers` are files to replay, as `FILE` or `TEACHER=FILE`. Each teacher is asked as at the first of its endpoints
    that `means` has a key for; without any key, at the first that has a price. Nothing of a real run is touched, and no
    real key is used. Raises what `run` raises, UsageError for answers that cannot be replayed, and Phase0Error where
    the bill and the ledger differ.
    """
    plan = plan if isinstance(plan, Plan) else load_plan(plan, settings)
    judges = check_judges(rule_of(plan.score), means or Means())
    folder = Path(f"{Path(output) if output is not None else Path('runs') / plan.name}.rehearsal")
    given = means_of(plan, means or Means())._replace(base_url=None, key_env=None, agree=None)
    if not given.wait:
        raise UsageError("batches of a rehearsal end with it, so it has to wait for them: leave --no-wait out")
    stand_in = _places(plan, judges, given, datetime.now(UTC).date())
    simulator = Settings(
        models=tuple(_models(place for _, place in stand_in.values())),
        answers=tuple(_replayed(each, stand_in) for each in answers),
        batches=_BATCHES,
        speed=speed,
    )
    _forget_batches(folder)
    before = _spend(folder)
    with simulated(simulator) as provider:
        progress.say(f"This is a rehearsal: no model is asked and nothing is paid. Everything goes to {folder}.")
        variables = _variables((place for _, place in stand_in.values()), provider)
        there = given._replace(variables=variables, rehearsal=speed)
        made = run(
            plan, folder, inputs=inputs, hub=hub, engine=engine, workspace=folder, means=there, progress=progress
        )
        bill = provider.bill()
    after = _spend(folder)
    bought = tuple(_bought(*each, before, after, bill) for each in dict(stand_in.values()).items())
    _check_bill(bought, folder)
    return Rehearsal(made, bought, sum((spend.cost for spend in after.values()), Decimal(0)))


def _places(plan: Plan, judges: Sequence[Judge], means: Means, on: date) -> dict[str, tuple[str, Place]]:
    """The model of each teacher and judge, and where it would be asked."""
    teachers = {name: wanted(find_teacher(name), means) for name in plan.distill.mix if name not in EXCHANGES}
    teachers |= {judge.name: judge.model for judge in judges}
    return {name: (teacher.model, _preferred(teacher, means, on)) for name, teacher in teachers.items()}


def _preferred(teacher: Teacher, means: Means, on: date) -> Place:
    """The first endpoint that can be asked; without a key for any, the first that could be with one."""
    try:
        return places(teacher, means, on)[0]
    except UsageError:
        keys = {endpoint.server.key_env or "": _KEY for endpoint in teacher.endpoints}
        return places(teacher, means._replace(variables={**means.variables, **keys}), on)[0]


def _models(stand_in: Iterable[Place]) -> Iterator[Model]:
    """What the simulator offers."""
    for endpoint, _, price in stand_in:
        batch = [price.input if price.batch_input is None else price.batch_input]
        batch += [price.output if price.batch_output is None else price.batch_output]
        yield Model(
            name=endpoint.model_id,
            price=(price.input, price.output),
            batch_price=(batch[0], batch[1]),
            requests_per_minute=endpoint.limits.requests_per_minute,
            tokens_per_minute=endpoint.limits.tokens_per_minute,
            enqueued_tokens=endpoint.server.batch.max_tokens if endpoint.server.batch else None,
            takes_batches=endpoint.batch,
        )


def _replayed(given: str, stand_in: Mapping[str, tuple[str, Place]]) -> Replayed:
    """A file of answers, and whose they are."""
    teacher, sign, path = given.rpartition("=")
    if sign and teacher not in stand_in:
        near = near_miss(teacher, stand_in)
        raise UsageError(f"--answers {given}: the plan asks no {teacher!r}.{near} It asks: {', '.join(stand_in)}.")
    if not Path(path).is_file():
        raise UsageError(f"--answers {given}: there is no file {path!r}")
    return Replayed(path=path, model=stand_in[teacher][1].endpoint.model_id if sign else None)


def _variables(stand_in: Iterable[Place], provider: Simulated) -> dict[str, str]:
    """An environment in which every server is the simulator, and every key its own."""
    found: dict[str, str] = {}
    for place in stand_in:
        server = place.endpoint.server
        found |= {str(server.url_env): provider.url_of(_tongue(server)), str(server.key_env): _KEY}
    return found


def _tongue(server: Server) -> Tongue:
    if server.provider == "replicate":
        return "replicate"
    return "together" if server.name == "together" else "openai"


def _forget_batches(folder: Path) -> None:
    """Batches of a rehearsal that was stopped ended with its simulator."""
    path = folder / MARK / FILE
    if path.exists():
        with hold(folder / MARK, str(folder)), Ledger(path) as ledger:
            for batch in ledger.open_batches():
                ledger.settled(batch.tag, "lost")


def _spend(folder: Path) -> dict[str, Spend]:
    """What the ledger of a rehearsal says was spent until now, by model."""
    path = folder / MARK / FILE
    if not path.exists():
        return {}
    with Ledger(path) as ledger:
        return {each.name: each for each in ledger.spend("model")}


def _bought(model: str, place: Place, before: Mapping[str, Spend], after: Mapping[str, Spend], bill: Bill) -> Bought:
    """What this call bought of a model, by the ledger's count and by the bill's."""
    nothing = Spend(model, 0, 0, 0, 0, 0, 0, Decimal(0))
    old, new = before.get(model, nothing), after.get(model, nothing)
    lines = [line for line in bill.lines if line.model == place.endpoint.model_id]
    return Bought(
        model=model,
        server=place.endpoint.server.name,
        requests=new.requests - old.requests,
        tokens_in=new.tokens_in - old.tokens_in,
        tokens_out=new.tokens_out - old.tokens_out,
        cost=new.cost - old.cost,
        billed=Bill(lines=tuple(lines)).usd,
    )


def _check_bill(bought: Sequence[Bought], folder: Path) -> None:
    for each in bought:
        if each.cost != each.billed:
            raise Phase0Error(
                f"the simulator charged ${each.billed} for {each.model}, but by the ledger ${each.cost} was spent. "
                f"This is a bug in phase0: please report it, with {folder / MARK / FILE}."
            )
