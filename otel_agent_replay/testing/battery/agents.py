"""The agents of the battery: plain code, as a user's.

Each takes the world and returns what it came to. They are run from a copy outside the
package, since what a library reads of the clock is nobody's recording.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import secrets
import time
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

import httpx

from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.testing.battery.outside import CHAT, World

Answers: TypeAlias = "multiprocessing.SimpleQueue[tuple[str, JsonValue]]"
_OK: Final = 200
KEYS: Final = ("sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4", "sk-proj-zY7xW4vU1tS8rQ5pN2mL9kJ6")


def _seen(world: World, name: str) -> JsonValue:
    found = world.look_up(name)
    return found.get("seen") if isinstance(found, dict) else None


# --- one after another -------------------------------------------------------------


def sequential(world: World) -> JsonValue:
    return {name: world.look_up(name) for name in ("one", "two", "three")}


def swapped(world: World) -> JsonValue:
    return {name: world.look_up(name) for name in ("two", "one", "three")}


def changed_argument(world: World) -> JsonValue:
    return {name: world.look_up(name) for name in ("one", "TWO", "three")}


def extra_call(world: World) -> JsonValue:
    return {name: world.look_up(name) for name in ("one", "two", "three", "four")}


def missing_call(world: World) -> JsonValue:
    return {name: world.look_up(name) for name in ("one", "two")}


def repeats(world: World) -> JsonValue:
    return [world.look_up("again") for _ in range(3)]


def repeats_once_more(world: World) -> JsonValue:
    return [world.look_up("again") for _ in range(4)]


def repeats_once_less(world: World) -> JsonValue:
    return [world.look_up("again") for _ in range(2)]


# --- side by side --------------------------------------------------------------------


def _gathered(world: World, names: list[str]) -> JsonValue:
    async def both() -> dict[str, JsonValue]:
        found = await asyncio.gather(*(world.look_up_later(name) for name in names))
        return dict(zip(names, found, strict=True))

    return asyncio.run(both())


def gather(world: World) -> JsonValue:
    return _gathered(world, ["slow", "quick", "middle"])


def gather_otherwise(world: World) -> JsonValue:
    return _gathered(world, ["middle", "quick", "slow"])


def gather_changed(world: World) -> JsonValue:
    return _gathered(world, ["slow", "quick", "other"])


def _threaded(world: World, names: list[str]) -> JsonValue:
    with ThreadPoolExecutor(len(names)) as pool:
        found = list(pool.map(world.look_up, names))
    return dict(zip(names, found, strict=True))


def threads(world: World) -> JsonValue:
    return _threaded(world, ["a", "b", "c", "d"])


def threads_otherwise(world: World) -> JsonValue:
    return _threaded(world, ["d", "c", "b", "a"])


def threads_changed(world: World) -> JsonValue:
    return _threaded(world, ["a", "b", "c", "e"])


def _look_up_in_child(world: World, name: str, answers: Answers) -> None:
    answers.put((name, world.look_up(name)))


def _in_processes(world: World, names: list[str]) -> JsonValue:
    context = multiprocessing.get_context("fork")
    answers: Answers = context.SimpleQueue()
    found: dict[str, JsonValue] = {}
    for name in names:
        child = context.Process(target=_look_up_in_child, args=(world, name, answers))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads
            child.start()
        child.join()
        if child.exitcode:
            raise RuntimeError(f"a child ended with {child.exitcode}")
        key, value = answers.get()
        found[key] = value
    return found


def processes(world: World) -> JsonValue:
    return _in_processes(world, ["left", "right"])


def processes_changed(world: World) -> JsonValue:
    return _in_processes(world, ["left", "wrong"])


def _nested(world: World, questions: dict[str, str]) -> JsonValue:
    found: dict[str, JsonValue] = {}
    for name, question in questions.items():
        found[name] = world.agent(name, world.look_up)(question)
    return found


def nested(world: World) -> JsonValue:
    return _nested(world, {"writer": "same", "critic": "same"})


def nested_changed(world: World) -> JsonValue:
    return _nested(world, {"writer": "same", "judge": "same"})


def nested_otherwise(world: World) -> JsonValue:
    return _nested(world, {"critic": "same", "writer": "same"})


# --- what goes wrong --------------------------------------------------------------------


def _failing(world: World, names: list[str]) -> JsonValue:
    found: list[JsonValue] = []
    for name in names:
        try:
            found.append(world.look_up(name))
        except ValueError as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


def exception(world: World) -> JsonValue:
    return _failing(world, ["fine", "fails"])


def exception_changed(world: World) -> JsonValue:
    return _failing(world, ["fine", "fails differently"])


def _chat(client: httpx.Client, prompt: str) -> httpx.Response:
    message = {"role": "user", "content": prompt}
    return client.post(CHAT, json={"model": "m", "messages": [message]})


def _json(answer: httpx.Response) -> JsonValue:
    found: JsonValue = answer.json()
    return found


def retry(world: World) -> JsonValue:
    with world.client() as client:
        answer = _chat(client, "hello")
        for _ in range(2):
            if answer.status_code == _OK:
                break
            answer = _chat(client, "hello")
        return _json(answer) if answer.status_code == _OK else answer.status_code


def no_retry(world: World) -> JsonValue:
    with world.client() as client:
        answer = _chat(client, "hello")
        return _json(answer) if answer.status_code == _OK else answer.status_code


def _streamed(
    world: World, *, pieces: int | None, user: str = "", prompt: str = "tell"
) -> JsonValue:
    message = {"role": "user", "content": prompt}
    body = {"model": "m", "messages": [message], "stream": True, "user": user}
    found: list[JsonValue] = []
    with world.client() as client, client.stream("POST", CHAT, json=body) as answer:
        try:
            for line in answer.iter_lines():
                if line:
                    found.append(line)
                if len(found) == pieces:
                    break
        except httpx.ReadError as error:
            found.append(f"broke: {error}")
    return found


def cancelled_stream(world: World) -> JsonValue:
    return _streamed(world, pieces=2)


def whole_stream(world: World) -> JsonValue:
    return _streamed(world, pieces=None)


def broken_stream(world: World) -> JsonValue:
    return _streamed(world, pieces=None, user="broken")


def broken_stream_changed(world: World) -> JsonValue:
    return _streamed(world, pieces=None, user="broken", prompt="tell me more")


def secret_arguments(world: World) -> JsonValue:
    return {key[-2:]: _seen(world, key) for key in KEYS}


def secret_arguments_swapped(world: World) -> JsonValue:
    return {key[-2:]: _seen(world, key) for key in reversed(KEYS)}


# --- what else differs ---------------------------------------------------------------------


def _asked_with(world: World, value: JsonValue) -> JsonValue:
    return [value, _seen(world, f"at {value}")]


def clock(world: World) -> JsonValue:
    return _asked_with(world, time.time())


def clock_unread(world: World) -> JsonValue:
    return _asked_with(world, 0.0)


def identifier(world: World) -> JsonValue:
    return _asked_with(world, str(uuid.uuid4()))


def identifier_twice(world: World) -> JsonValue:
    uuid.uuid4()
    return _asked_with(world, str(uuid.uuid4()))


def chance(world: World) -> JsonValue:
    return _asked_with(world, random.random())


def chance_otherwise(world: World) -> JsonValue:
    return _asked_with(world, random.randint(0, 9))


def secret(world: World) -> JsonValue:
    return _asked_with(world, secrets.token_hex(8))


def secret_longer(world: World) -> JsonValue:
    return _asked_with(world, secrets.token_hex(9))


def environment(world: World) -> JsonValue:
    return _asked_with(world, os.environ.get("BATTERY_REGION", ""))


def environment_other(world: World) -> JsonValue:
    return _asked_with(world, os.environ.get("BATTERY_ZONE", ""))
