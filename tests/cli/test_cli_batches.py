"""`phase0 batches` reaches providers as the run did that sent the batches."""

from __future__ import annotations

import pytest

from phase0.cli.batching import connection
from phase0.errors import UsageError
from phase0.providers.openai import OpenAI


def test_a_variable_that_holds_several_keys_holds_several_for_batches_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "first-key, second-key")
    provider = connection("openai", "gpt-4o").routes[0].provider
    assert isinstance(provider, OpenAI)
    assert provider._client._headers["Authorization"] == "Bearer first-key"


def test_without_a_key_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        connection("openai", "gpt-4o")
    with pytest.raises(UsageError, match="run the plan"):
        connection("my.server:8000", "nobody's model")
