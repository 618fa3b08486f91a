"""The command that keeps evaluations out of the data: decontaminate."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from phase0.cli import settings
from phase0.cli.making import done
from phase0.cli.screen import screen
from phase0.cli.settings import HERE, Inputs, Output, WhereOptions, Workers
from phase0.stages.decontaminate import Side


def decontaminate(
    *,
    input: Inputs,  # noqa: A002
    output: Output,
    against: Annotated[list[str], Parameter(help="Evaluation sets: files, glob patterns or folders, of any layout.")],
    ngram: Annotated[int, Parameter(help="Words of an n-gram.")] = 13,
    share: Annotated[
        str, Parameter(help="Share of a question's n-grams from which on a text holds the question.")
    ] = "0.5",
    variants: Annotated[
        str, Parameter(help="Share of its words, in order and numbers aside, that makes a variant of it; 0: without.")
    ] = "0.8",
    common: Annotated[
        int, Parameter(help="An n-gram that more prompts have, without the rest of a question, is no evidence.")
    ] = 10,
    on: Annotated[Side, Parameter(help="Text in which questions are looked for; both: prompt and response.")] = "both",
    question: Annotated[list[str], Parameter(help="Fields of an item that are its question.", show_default=False)] = [],  # noqa: B006
    choices: Annotated[list[str], Parameter(help="Fields of an item that are its choices.", show_default=False)] = [],  # noqa: B006
    workers: Workers = None,
    where: WhereOptions = HERE,
) -> int:
    """Drop rows that hold questions of evaluation sets.

    Dropped rows name the set, the item and the words they share. OUTPUT.meta/contamination.json certifies which sets
    were checked, how, and what was found of each.
    """
    import phase0

    with screen() as progress, settings.engine(where, workers, [output, *input], progress) as engine:
        manifest = phase0.decontaminate(
            input,
            output,
            against=against,
            ngram=ngram,
            share=share,
            variants=variants,
            common=common,
            on=on,
            question=question,
            choices=choices,
            engine=engine,
            progress=progress,
        )
    return done(manifest, output)
