"""A loop over OpenAI's own client, as its documentation shows it. It keeps nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from asking import KEY, MAX_TOKENS, MODEL, Asked, question, tell
from openai import AsyncOpenAI


async def ask(given: Asked, numbers: range) -> int:
    left, answers = iter(numbers), 0

    async def worker(client: AsyncOpenAI, left: Iterator[int]) -> None:
        nonlocal answers
        for number in left:
            reply = await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": question(number)}], max_tokens=MAX_TOKENS
            )
            answers += bool(reply.choices[0].message.content)

    async with AsyncOpenAI(base_url=given.url, api_key=KEY) as client, asyncio.TaskGroup() as group:
        for _ in range(given.concurrent):
            group.create_task(worker(client, left))
    return answers


if __name__ == "__main__":
    tell(lambda given, numbers: asyncio.run(ask(given, numbers)))
