"""The names that users import."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import otel_agent_replay
from otel_agent_replay import errors

ROOT = Path(__file__).parents[1]
DOCS = "".join(
    (ROOT / "docs" / name).read_text()
    for name in ("python-api.md", "capture.md", "replay.md")
)
NAMES = [name for name in otel_agent_replay.__all__ if not name.startswith("__")]


def modules() -> list[str]:
    found = pkgutil.walk_packages(otel_agent_replay.__path__, "otel_agent_replay.")
    return [each.name for each in found if not each.name.endswith("__main__")]


def test_the_list_of_names_is_sorted_and_complete():
    """What stands in it can be imported; what can be imported stands in it."""
    listed = otel_agent_replay.__all__

    assert listed == sorted(listed)
    public = {
        name
        for name, value in vars(otel_agent_replay).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_documented(name):
    """In its own words, and in the docs."""
    assert inspect.getdoc(getattr(otel_agent_replay, name))
    assert re.search(rf"`@?{name}\b", DOCS), name


@pytest.mark.parametrize("module", modules())
def test_every_module_says_what_it_is_and_what_it_offers(module):
    """Each name that it lists is there, once."""
    found = importlib.import_module(module)

    assert found.__doc__
    listed = getattr(found, "__all__", [])
    assert len(listed) == len(set(listed))
    for name in listed:
        assert hasattr(found, name), name


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_in_the_tree_and_can_be_pickled(name):
    """Processes and test runners send errors to each other."""
    error = getattr(errors, name)

    assert issubclass(error, errors.AgentReplayError)
    assert re.search(rf"(── |^){name}\b", errors.__doc__, re.MULTILINE)
    told = re.search(rf"{name} .*\(also (\w+)\)", errors.__doc__)
    builtin = {"LookupError", "TypeError", "ValueError"}
    also = {each.__name__ for each in error.__mro__} & builtin
    assert also == ({told[1]} if told else set())
    if "__init__" not in vars(error):
        return
    made = error(*["text"] * (len(inspect.signature(error).parameters)))
    again = pickle.loads(pickle.dumps(made))  # noqa: S301
    assert (type(again), str(again), vars(again)) == (error, str(made), vars(made))


def test_importing_costs_little_and_starts_nothing():
    """No client, store or server is imported or opened by the import alone."""
    code = (
        "import sys, threading, otel_agent_replay; "
        "heavy = {'clickhouse_connect', 'openai', 'anthropic', 'httpx', 'aiohttp', "
        "'requests', 'rich', 'genai_prices'} & set(sys.modules); "
        "print(sorted(heavy), threading.active_count())"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[] 1"
