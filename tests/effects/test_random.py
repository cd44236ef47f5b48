"""Randomness: recorded where it is drawn, answered exactly."""

from __future__ import annotations

import asyncio
import math
import os
import random
import secrets
import struct
import uuid
from random import choice as choice_by_name
from uuid import UUID

import numpy
import pytest
from pydantic import BaseModel, Field

from tests.effects.agents import both, divergence, recorded, replayed

DRAWS = {
    "random": lambda: random.random(),
    "randint": lambda: random.randint(1, 10**6),
    "randrange": lambda: random.randrange(0, 10**6, 3),
    "getrandbits": lambda: random.getrandbits(200),
    "randbytes": lambda: random.randbytes(16),
    "uniform": lambda: random.uniform(0, 1),
    "gauss": lambda: random.gauss(0, 1),
    "normalvariate": lambda: random.normalvariate(0, 1),
    "choices": lambda: random.choices(range(10**6), k=3),
    "sample": lambda: random.sample(range(10**6), 3),
    "token_bytes": lambda: secrets.token_bytes(16),
    "token_hex": lambda: secrets.token_hex(16),
    "token_urlsafe": lambda: secrets.token_urlsafe(16),
    "randbelow": lambda: secrets.randbelow(10**9),
    "secrets.choice": lambda: secrets.choice(range(10**6)),
    "SystemRandom": lambda: random.SystemRandom().random(),
    "SystemRandom.sample": lambda: random.SystemRandom().sample(range(10**6), 3),
    "urandom": lambda: os.urandom(32),
    "uuid1": lambda: uuid.uuid1(),
    "uuid4": lambda: uuid.uuid4(),
    "Random()": lambda: random.Random().random(),
    "not finite": lambda: [random.uniform(1, math.inf), random.gauss(-math.inf, 1)],
    "no number": lambda: repr(random.uniform(-math.inf, math.inf)),
    "whole": lambda: random.triangular(5, 5, 5),
    "negative": lambda: random.randint(-(10**40), -(2**53)),
    "none": lambda: [random.getrandbits(0), random.randbytes(0)],
    "choice by name": lambda: random.choice(seq=range(10**6)),
    "sample by name": lambda: random.sample(population=range(10**6), k=2),
    "huge": lambda: random.sample(range(2**62), 2),
    "randbits": lambda: secrets.randbits(300),
    "numpy.rand": lambda: numpy.random.rand(3).tolist(),
    "numpy.randint": lambda: int(numpy.random.randint(0, 10**6)),
    "numpy.normal": lambda: float(numpy.random.normal()),
    "numpy.choice": lambda: numpy.random.choice(10**6, 3).tolist(),
    "numpy.permutation": lambda: numpy.random.permutation(20).tolist(),
    "numpy.choice of one": lambda: numpy.random.choice(10**6),
    "numpy.choice by numpy": lambda: numpy.random.choice(numpy.int64(10**6)),
    "numpy.choice of texts": lambda: numpy.random.choice(["a", "b"], (9, 9)).tolist(),
    "numpy.permutation by numpy": lambda: numpy.random.permutation(
        numpy.int64(20)
    ).tolist(),
    "numpy.uint64": lambda: numpy.random.randint(2**64 - 1, dtype=numpy.uint64).item(),
    "numpy.bool": lambda: numpy.random.randint(0, 2, dtype=bool),
    "numpy, not finite": lambda: repr(
        [numpy.random.normal(math.inf), numpy.random.normal([math.nan, -math.inf])]
    ),
    "default_rng": lambda: numpy.random.default_rng().random(3).tolist(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_each_draw_comes_back(name):
    """Values, bytes and UUIDs are those that were drawn, one by one."""

    def code():
        return [DRAWS[name]() for _ in range(4)]

    first, again = both(code, "random")
    assert again == first
    assert [type(each) for each in again] == [type(each) for each in first]


@pytest.mark.parametrize("seed", range(5))
def test_any_number_comes_back_to_the_bit(seed):
    """Of every size and kind, in each function that gives one."""
    rng = random.Random(seed)
    bounds = [rng.randint(-(2**size), 2**size) for size in rng.sample(range(80), 20)]
    reals = [struct.unpack("d", rng.randbytes(8))[0] for _ in range(20)]

    def code():
        whole = [random.randint(bound, bound) for bound in bounds]
        real = [random.uniform(each, each) for each in reals]
        arrays = [
            numpy.random.normal(real, 0).astype(kind) for kind in ("f4", "f8", "g")
        ]
        shown = [each.hex() for each in real]
        return [whole, shown, [repr(each) for each in arrays]]

    with numpy.errstate(all="ignore"):
        first, again = both(code, "random")

    assert again == first


def test_numpy_takes_what_it_takes_without_us():
    """What it refuses is refused in its words, and values keep their classes."""

    def code():
        said = []
        for wrong in ([], numpy.eye(2)):
            with pytest.raises(ValueError, match="a") as raised:
                numpy.random.choice(wrong)
            said.append(str(raised.value))
        whole = numpy.random.choice(5), numpy.random.choice(["a"])
        return [*said, *(type(each).__name__ for each in whole)]

    bare = code()
    first, again = both(code, "random")

    assert first == again == bare


def test_what_is_picked_is_the_callers_own_object():
    """Picks give the objects themselves, not copies of them."""

    class Card:
        """Equal to itself alone."""

    cards = [Card() for _ in range(50)]

    def code():
        mixed = list(cards)
        random.shuffle(mixed)
        array = numpy.arange(20)
        numpy.random.shuffle(array)
        picks = [random.choice(cards), choice_by_name(cards), *random.sample(cards, 5)]
        picks += random.choices(cards, weights=range(50), k=5)
        return [cards.index(each) for each in (*mixed, *picks)], array.tolist()

    first, again = both(code, "random")
    assert again == first


def test_recording_changes_no_draw():
    """A seeded program draws what it draws without us."""

    def code():
        random.seed(7)
        numpy.random.seed(7)
        mixed = list(range(10))
        random.shuffle(mixed)
        array = numpy.arange(10)
        numpy.random.shuffle(array)
        return [
            random.random(),
            random.gauss(0, 1),
            random.choice("abcdefgh"),
            random.choices("abcdefgh", k=4),
            random.sample(range(100), 4),
            random.sample("abc", 4, counts=[2, 2, 2]),
            mixed,
            array.tolist(),
            numpy.random.rand(2).tolist(),
            numpy.random.choice([1, 2, 3, 4, 5], 3, replace=False).tolist(),
            numpy.random.permutation(8).tolist(),
        ]

    bare = code()
    first, again = both(code, "random")
    assert first == bare
    assert again == bare


def test_a_uuid_is_one():
    """What stands in the run as text comes back as a `UUID`, in a model's default too."""

    class Ticket(BaseModel):
        number: UUID = Field(default_factory=uuid.uuid4)

    first, again = both(lambda: [uuid.uuid4(), Ticket().number], "random")
    assert again == first
    assert all(type(each) is UUID for each in again)


def test_gathered_tasks_get_their_own_draws():
    """Tasks that draw in another order than recorded get what they had drawn."""

    async def one(name, pauses):
        for _ in range(pauses):
            await asyncio.sleep(0)
        return {"a": draw_a, "b": draw_b}[name]()

    def draw_a():
        return uuid.uuid4()

    def draw_b():
        return uuid.uuid4()

    async def gathered(first, second):
        return await asyncio.gather(one("a", first), one("b", second))

    first, run = recorded(lambda: asyncio.run(gathered(1, 9)), "random")
    assert replayed(run, lambda: asyncio.run(gathered(9, 1))) == first


def test_a_number_that_looks_like_a_card_comes_back():
    """Redaction leaves what was drawn alone, where a tool's result would change."""
    like_a_card = 4_111_111_111_111_111
    first, again = both(lambda: random.randint(like_a_card, like_a_card), "random")
    assert first == again == like_a_card


def test_other_arguments_are_reported():
    """A draw of another range is not answered with the recorded one."""

    def code(highest):
        return random.randint(1, highest) > 0

    _, run = recorded(lambda: code(6), "random")
    assert "6" in divergence(run, lambda: code(8))


def test_a_pick_out_of_more_is_reported():
    """A pick among other many is not answered with the recorded one."""

    def code(count):
        return random.choice(range(count)) >= 0

    _, run = recorded(lambda: code(6), "random")
    assert "random.choice" in divergence(run, lambda: code(8))


def test_swapped_draws_are_reported():
    """Two draws of one task that change places are no longer the recorded run."""

    def code(order):
        return len([each() for each in order])

    def small():
        return random.randint(1, 6)

    def large():
        return random.randint(1, 6)

    _, run = recorded(lambda: code([small, large]), "random")
    assert "random.randint" in divergence(run, lambda: code([large, small]))
