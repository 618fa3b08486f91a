"""The least that an answer takes: a loop over aiohttp that keeps nothing, retries nothing and knows no limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import aiohttp
from asking import KEY, MAX_TOKENS, MODEL, Asked, question, tell


async def ask(given: Asked, numbers: range) -> int:
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    left, answers = iter(numbers), 0

    async def worker(session: aiohttp.ClientSession, left: Iterator[int]) -> None:
        nonlocal answers
        for number in left:
            messages = [{"role": "user", "content": question(number)}]
            body = json.dumps({"model": MODEL, "messages": messages, "max_tokens": MAX_TOKENS}).encode()
            async with session.post(f"{given.url}/chat/completions", data=body, headers=headers) as got:
                reply = json.loads(await got.read())
            answers += bool(reply["choices"][0]["message"]["content"])

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        for _ in range(given.concurrent):
            group.create_task(worker(session, left))
    return answers


if __name__ == "__main__":
    tell(lambda given, numbers: asyncio.run(ask(given, numbers)))
