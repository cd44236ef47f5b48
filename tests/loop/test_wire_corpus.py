"""Recorded provider traffic, over real HTTP clients, through the whole loop and back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import batched

import pytest

import otel_agent_replay
from otel_agent_replay import agent, compare, open_store, replay
from otel_agent_replay._setup.redaction import redactor_of_run
from otel_agent_replay.config import load_settings
from otel_agent_replay.instrument.providers.registry import CODECS, codec_for
from otel_agent_replay.model.payload import Chunk, HttpResponse, header
from otel_agent_replay.testing import (
    CORPUS_ABSENT,
    INDEX_HEADER,
    CorpusInteraction,
    Cut,
    WireServer,
    corpus_path,
    cut_sse_events,
    wire_interactions,
)
from tests.loop.clients import Ask, Seen, every_client
