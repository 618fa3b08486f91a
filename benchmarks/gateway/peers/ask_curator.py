"""bespokelabs-curator, as its documentation uses it: a dataset of prompts into `curator.LLM`, a dataset of answers out.

It keeps the answers in files of its own, unsynced, and is told limits so high that it never waits for them.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from asking import KEY, MAX_TOKENS, MODEL, NO_LIMIT, Asked, question, tell


def prepare() -> None:
    """No network: token counts from the files that litellm ships, prices from its own list, no word to its makers."""
    litellm = find_spec("litellm")
    assert litellm is not None
    assert litellm.origin is not None
    os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers")
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["TELEMETRY_ENABLED"] = "False"
    os.environ["CURATOR_DISABLE_RICH_DISPLAY"] = "True"
    os.environ["OPENAI_API_KEY"] = KEY


def ask(given: Asked, numbers: range) -> int:
    from bespokelabs import curator
    from datasets import Dataset

    class Answerer(curator.LLM):
        """Answers questions."""

        def prompt(self, row: dict[str, str]) -> str:
            return row["question"]

        def parse(self, row: dict[str, str], reply: str) -> dict[str, str]:
            return {"question": row["question"], "answer": reply}

    answerer = Answerer(
        model_name=MODEL,
        backend="openai",
        generation_params={"max_tokens": MAX_TOKENS},
        backend_params={
            "base_url": given.url,
            "max_concurrent_requests": given.concurrent,
            "max_requests_per_minute": NO_LIMIT,
            "max_tokens_per_minute": NO_LIMIT,
        },
    )
    questions = Dataset.from_dict({"question": [question(number) for number in numbers]})
    answers = answerer(questions, working_dir=str(given.folder / f"curator-{numbers.start}"))
    answers = getattr(answers, "dataset", answers)
    return sum(bool(row["answer"]) for row in answers)


if __name__ == "__main__":
    prepare()
    tell(ask)
