"""The door of the pytest plugin: what every pytest run imports.

It stands outside the package, whose import takes half a second: nothing of the package
is imported before a test that has a golden is set up.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from otel_agent_replay.pytest_plugin import AgentReplay

__all__ = ["agent_replay"]

_FIXTURE = "agent_replay"
_MARKERS = ("golden", "golden_folder")
_GOLDEN = (
    "golden(name, *, match=..., normalise=..., live=..., allow_writes=...): the test "
    "runs an agent on the recorded run goldens/NAME.json beside it"
)
_GOLDEN_FOLDER = (
    "golden_folder(path): the test runs once for each golden in a folder, by default "
    "goldens beside it"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("agent-replay", "recorded runs of agents as tests")
    group.addoption(
        "--golden-update",
        metavar="CATEGORIES",
        help="Write goldens: create (record those that are missing, live), fix (record "
        "those whose test fails again, live), update (rewrite as this version writes "
        "them), trim (delete what no test uses); several with commas, or all. Never "
        "where CI is set.",
    )
    group.addoption(
        "--golden-dry-run",
        action="store_true",
        help="Say what --golden-update would write, and write nothing.",
    )
    group.addoption(
        "--golden-report",
        metavar="FILE",
        help="Write what --golden-update did, or would do, as JSON.",
    )


def pytest_configure(config: pytest.Config) -> None:
    for each in (_GOLDEN, _GOLDEN_FOLDER):
        config.addinivalue_line("markers", each)
    if config.getoption("golden_update") is not None:
        from otel_agent_replay.pytest_plugin.updating import install  # noqa: PLC0415

        install(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("golden_folder")
    if marker is not None:
        from otel_agent_replay.pytest_plugin.collecting import (  # noqa: PLC0415
            parametrize,
        )

        parametrize(metafunc, marker)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse what looks as if a golden were compared, and compares none."""
    names = {each.name for each in item.iter_markers()}
    if names.isdisjoint(_MARKERS) and names <= _registered(item.config):
        return
    from otel_agent_replay.pytest_plugin.markers import (  # noqa: PLC0415
        check_markers,
    )

    check_markers(item, names - _registered(item.config))


@cache
def _registered(config: pytest.Config) -> frozenset[str]:
    lines: list[str] = config.getini("markers")
    return frozenset(re.split(r"[(:\s]", line, maxsplit=1)[0] for line in lines)


def _is_marked(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(each) is not None for each in _MARKERS)


@pytest.fixture(autouse=True)
def _golden_of_marked_test(request: pytest.FixtureRequest) -> None:
    """Open the golden of a marked test, before what the test itself asks for."""
    if _is_marked(request.node):
        request.getfixturevalue(_FIXTURE)


@pytest.fixture
def agent_replay(request: pytest.FixtureRequest) -> Iterator[AgentReplay]:
    """Answer the agent's calls from the golden that the test names."""
    from otel_agent_replay.pytest_plugin.playing import playing  # noqa: PLC0415

    with playing(request) as opened:
        yield opened


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """End the replay with the test, and fail the test with what the replay says."""
    if not _is_marked(item):
        return (yield)
    from otel_agent_replay.pytest_plugin.playing import judged  # noqa: PLC0415

    with judged(item):
        return (yield)
