"""litellm, which speaks through openai's SDK, httpx or aiohttp: played offline."""

from __future__ import annotations

import json
from functools import partial

import pytest

from otel_agent_replay import tool
from tests.loop.sdks.answers import ASKED, CALLS, STORY

pytestmark = [
    # litellm's own: pydantic models that do not fit, coroutines and clients left open.
    pytest.mark.filterwarnings("ignore"),
]
USER = [{"role": "user", "content": "Where is my refund?"}]


@pytest.fixture(autouse=True)
def litellm(monkeypatch):
    """Import it without letting it ask the network for its prices."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    return pytest.importorskip(
        "litellm", reason="litellm needs openai 2; run in an environment of its own"
    )
