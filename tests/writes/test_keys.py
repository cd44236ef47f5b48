"""What a key is, what is refused, and what becomes of it."""

from __future__ import annotations

import pytest

from otel_agent_replay import (
    agent,
    current_idempotency_key,
    tool,
)
from otel_agent_replay.errors import (
    ConfigurationError,
    WriteChangedError,
)
from tests.writes.shop import Shop, states


def test_keys_belong_to_a_run(file_url):
    """Another run is another purchase."""
    shop = Shop()
    buys = agent(name="buys")(lambda: shop.pay("a"))

    buys()
    buys()

    assert shop.happened == [("a", 1)] * 2
    assert len({*shop.keys}) == 2


def test_the_key_to_pass_on_is_the_same_in_every_attempt(file_url):
    """It tells writes apart; outside of one there is none."""
    shop = Shop()

    @agent
    def buys() -> None:
        shop.failing.append(ValueError("refused"))
        with pytest.raises(ValueError, match="refused"):
            shop.pay("a")
        shop.pay("a")
        shop.pay("b")

    buys()

    first, second, other = shop.keys
    assert first == second != other
    assert current_idempotency_key() is None


@pytest.mark.parametrize(
    "key", [("order", "amount"), lambda order, amount=1: f"{order}/{amount}"]
)
def test_a_key_of_several_arguments(file_url, key):
    """Names of parameters, or a function of the arguments."""
    shop = Shop(idempotency_key=key)

    @agent
    def buys() -> None:
        for amount in (1, 2, 2):
            shop.pay("a", amount)

    buys()

    assert shop.happened == [("a", 1), ("a", 2)]


def test_the_same_key_with_other_arguments_is_refused(url):
    """Nothing runs, and the error says what to do."""
    shop = Shop()

    @agent
    def buys() -> None:
        shop.pay("a", 1)
        with pytest.raises(WriteChangedError, match="pay:a"):
            shop.pay("a", 2)

    buys()

    assert shop.happened == [("a", 1)]


def test_nothing_raw_is_stored(file_url, tmp_path):
    """Key, arguments and outcome are redacted before they leave the process."""
    shop = Shop()

    @agent
    def buys() -> None:
        shop.pay("ada.lovelace@example.com")
        shop.pay("ada.lovelace@example.com")

    buys()
    (name,) = states(file_url)

    assert len(shop.happened) == 1
    assert "@" in name
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert not [f for f in files if b"lovelace" in f.read_bytes()]


def test_what_cannot_be_a_keyed_write_is_refused():
    """Where it is decorated, with what to do instead."""

    def several(order: str):
        yield order

    async def async_several(order: str):
        yield order

    keyed = tool(effect="write", idempotency_key="order")
    for function in (several, async_several):
        with pytest.raises(ConfigurationError, match="generator"):
            keyed(function)
    with pytest.raises(ConfigurationError, match="no parameter 'order'"):
        keyed(lambda amount: amount)
    with pytest.raises(ConfigurationError, match="effect='write'"):
        tool(idempotency_key="order")


def test_an_empty_key_is_refused(file_url):
    """It would make all writes one."""
    shop = Shop()

    @agent
    def buys() -> None:
        with pytest.raises(ConfigurationError, match="empty"):
            shop.pay("")

    buys()

    assert shop.happened == []


@pytest.mark.parametrize("key", [object(), ["order", object()], {"by": print}])
def test_a_key_that_tells_nothing_apart_is_refused(file_url, key):
    """What is no value looks like any other of its class: two writes would be one."""
    happened = []

    @tool(effect="write", idempotency_key="order")
    def pay(order: object) -> str:
        happened.append(order)
        return "paid"

    @agent
    def buys() -> None:
        with pytest.raises(ConfigurationError, match="take an id of it"):
            pay(key)

    buys()

    assert happened == []


def test_nothing_is_asked_of_a_write_that_is_not_recorded(tmp_path):
    """The function is the bare one."""
    shop = Shop()

    shop.pay("a")
    shop.pay("a")

    assert shop.happened == [("a", 1)] * 2
    assert shop.keys == [None, None]
    assert not [*tmp_path.iterdir()]
