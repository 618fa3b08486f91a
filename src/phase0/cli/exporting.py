"""The command that hands a dataset over to trainers: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from phase0.cli import settings
from phase0.cli.making import done
from phase0.cli.screen import screen
from phase0.cli.settings import HERE, Inputs, WhereOptions, Workers
from phase0.errors import UsageError


def export(
    target: Annotated[Path | None, Parameter(help="Folder of a run, whose dataset is exported.")] = None,
    /,
    *,
    input: Inputs = [],  # noqa: A002, B006
    output: Annotated[
        Path | None, Parameter(help="Folder to write to, or a file. Default: `export` in the run's folder.")
    ] = None,
    to: Annotated[
        list[str],
        Parameter(
            help="openai, trl, trl-prompt-completion, axolotl, llama-factory-alpaca, llama-factory-sharegpt, parquet, "
            "csv, prompt-completion; several at once."
        ),
    ] = ["messages"],  # noqa: B006
    validation: Annotated[
        float | None, Parameter(help="Share of rows to hold out, such as 0.05: rows that resemble none of training.")
    ] = None,
    max_tokens: Annotated[
        int | None, Parameter(help="Drop rows of more tokens than this, chat markup included.")
    ] = None,
    seed: Annotated[int, Parameter(help="Another seed holds out other rows.")] = 0,
    workers: Workers = None,
    where: WhereOptions = HERE,
) -> int:
    """Write a finished dataset in the forms that trainers load, with rows for validation held out.

    For a published dataset the full rows beside it are read, so that system prompts and earlier turns are there.
    """
    import phase0

    if target is None and not input:
        raise UsageError("nothing to export: name the folder of a run, or files by --input")
    given = [*([] if target is None else [str(target)]), *input]
    with screen() as progress, settings.engine(where, workers, [output, *given], progress) as engine:
        made = phase0.export(
            given,
            output,
            to=to,
            validation=validation,
            max_tokens=max_tokens,
            seed=seed,
            engine=engine,
            progress=progress,
        )
    return max(done(manifest, path) for path, manifest in made.items())
