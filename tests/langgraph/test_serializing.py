"""What may be made from stored data, and what a state costs and keeps."""

from __future__ import annotations

import dataclasses
import os
import secrets
import sqlite3
from typing import Annotated, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages

from otel_agent_replay import open_store
from otel_agent_replay.errors import (
    ConfigurationError,
    StateDamagedError,
    StateTypeError,
)
from otel_agent_replay.langgraph import AgentReplaySaver

CONFIG = {"configurable": {"thread_id": "t"}}


@dataclasses.dataclass
class Order:
    """A class of the user's own."""

    number: int


class State(TypedDict):
    messages: Annotated[list, add_messages]
    order: Order | None


def graph(saver, order=None):
    made = StateGraph(State)
    made.add_node("answer", lambda _: {"messages": [AIMessage("yes")], "order": order})
    made.add_edge(START, "answer")
    return made.compile(checkpointer=saver)


def ask(saver, order=None, text="refund?"):
    return graph(saver, order).invoke({"messages": [HumanMessage(text)]}, CONFIG)


def test_a_type_that_is_not_allowed_is_refused_when_it_is_saved(saver):
    """Not only when somebody needs the state."""
    with pytest.raises(StateTypeError, match="allowed_msgpack_modules") as caught:
        ask(saver, Order(1))

    assert (caught.value.module, caught.value.name) == (__name__, "Order")


@pytest.mark.parametrize("allowed", [[Order], [(__name__, "Order")], True])
def test_an_allowed_type_comes_back(open_saver, allowed):
    """By class, by name, or because all are."""
    ask(open_saver(allowed_msgpack_modules=allowed), Order(7))

    again = graph(open_saver(allowed_msgpack_modules=allowed))
    assert again.get_state(CONFIG).values["order"] == Order(7)


def test_a_stored_type_that_is_not_allowed_is_not_made(open_saver):
    """Whoever reads decides; there is no plain data in its place."""
    ask(open_saver(allowed_msgpack_modules=[Order]), Order(7))

    with pytest.raises(StateTypeError):
        graph(open_saver()).get_state(CONFIG)


def test_pickle_is_refused(tmp_path):
    """Also inside an encrypting serializer."""
    url = f"sqlite:///{tmp_path}/runs.db"
    pickling = JsonPlusSerializer(pickle_fallback=True)
    for serde in (pickling, EncryptedSerializer(Cipher(), pickling)):
        with pytest.raises(ConfigurationError, match="pickle"):
            AgentReplaySaver(url, serde=serde)
    with pytest.raises(ConfigurationError, match="serializer"):
        AgentReplaySaver(
            url, serde=JsonPlusSerializer(), allowed_msgpack_modules=[Order]
        )


class Cipher:
    """Makes other bytes each time, as a real one does; it hides nothing else."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        pad = os.urandom(16)
        hidden = bytes(byte ^ pad[at % 16] for at, byte in enumerate(plaintext))
        return "pad", pad + hidden

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        assert ciphername == "pad"
        pad, hidden = ciphertext[:16], ciphertext[16:]
        return bytes(byte ^ pad[at % 16] for at, byte in enumerate(hidden))


def test_encrypted(open_saver):
    """An encrypting serializer works, and a message is still stored once."""
    serde = EncryptedSerializer(Cipher(), JsonPlusSerializer())
    saver = open_saver(serde=serde)
    for turn in range(4):
        ask(saver, text=f"turn {turn}, {'x' * 100}")

    again = open_saver(serde=EncryptedSerializer(Cipher(), JsonPlusSerializer()))
    state = graph(again).get_state(CONFIG)
    assert len(state.values["messages"]) == 8
    history = [*graph(again).get_state_history(CONFIG)]
    assert history[0].values == state.values


def test_encryption_hides_the_state(tmp_path):
    """No word of it is in the file, and a message is stored once."""
    url = f"sqlite:///{tmp_path}/runs.db"
    word = secrets.token_hex(8)
    serde = EncryptedSerializer(Cipher(), JsonPlusSerializer())
    with AgentReplaySaver(url, serde=serde) as saver:
        for turn in range(4):
            ask(saver, text=f"{word} {turn} {'x' * 100}")

    assert not any(word.encode() in f.read_bytes() for f in tmp_path.iterdir())
    with sqlite3.connect(tmp_path / "runs.db") as db:
        (entries,) = db.execute('SELECT sum(length("Entries")) FROM state_lists')
    db.close()
    assert entries[0] <= 2 * 4 * 20


def test_a_missing_part_is_no_silent_loss(tmp_path):
    """A state of which a message is gone is an error that says so."""
    url = f"sqlite:///{tmp_path}/runs.db"
    with AgentReplaySaver(url) as saver:
        ask(saver)
    with sqlite3.connect(tmp_path / "runs.db") as db:
        db.execute(
            'DELETE FROM state_contents WHERE "Key" IN (SELECT "Key" FROM'
            ' state_contents ORDER BY length("Body") DESC LIMIT 1)'
        )
    db.close()

    with AgentReplaySaver(url) as saver, pytest.raises(StateDamagedError, match="t"):
        graph(saver).get_state(CONFIG)


def test_over_an_open_store(tmp_path):
    """A saver uses the store it is given, and leaves it open."""
    with open_store(f"sqlite:///{tmp_path}/runs.db") as store:
        with AgentReplaySaver(store) as saver:
            ask(saver)
        assert store.states().count() == 3


def test_the_state_is_stored_as_it_is(saver, open_saver):
    """A secret in a message comes back: a state is not redacted."""
    secret = "sk-ant-api03-" + "a1B2" * 20
    ask(saver, text=secret)

    state = graph(open_saver()).get_state(CONFIG)
    assert state.values["messages"][0].content == secret
