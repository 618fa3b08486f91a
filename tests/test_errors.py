"""Errors cross to another process whole."""

from __future__ import annotations

import pickle

import pytest

from phase0 import errors
from phase0.errors import Fatal, HubError, Phase0Error, PlanError, Refused, RowError, Transient, Unfinished
from phase0.providers import Limits

MADE: list[Phase0Error] = [
    PlanError("no such key"),
    HubError(),
    RowError("bad_type", "it is a number", field="response"),
    Unfinished("the budget is spent", how="budget"),
    Transient("slow down", reason="rate_limit", retry_after=2.5, limits=Limits()),
    Refused("no", reason="content_filter"),
    Fatal("no key", reason="bad_key"),
]


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_after_it_was_pickled(error: Phase0Error) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (again.args, str(again), vars(again)) == (error.args, str(error), vars(error))


def test_what_was_noted_after_it_was_raised_crosses_too() -> None:
    error = Refused("no", reason="too_long")
    error.begun = True
    error.add_note("row 3")
    again = pickle.loads(pickle.dumps(error))
    assert again.begun
    assert again.__notes__ == ["row 3"]


def test_every_kind_of_error_can_cross() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Phase0Error)]
    assert {type(error) for error in MADE} <= set(kinds)
    for kind in kinds:
        bare = kind.__new__(kind, "what happened")
        assert (type(pickle.loads(pickle.dumps(bare))), str(bare)) == (kind, "what happened")
