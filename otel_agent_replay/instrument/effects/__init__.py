"""What the agent's own code reads of the world: clock, randomness, environment, files.

Reads are taken where the code asks for them, recorded only where asked for, and
answered in a session of a run that has them. Libraries, the standard library and this
package read as ever: a timeout, a TLS handshake or a span must not come from a
recording.
"""

from __future__ import annotations

import random as _random
import secrets as _secrets
import time as _time
import uuid as _uuid
from collections.abc import Iterable

from otel_agent_replay.instrument.effects import (
    clock,
    environment,
    files,
    numpy_random,
    randomness,
)
from otel_agent_replay.instrument.effects.swapping import swap_in_modules
from otel_agent_replay.instrument.on_import import when_imported
from otel_agent_replay.model.call import Kind

__all__ = ["install"]

_installed: set[Kind] = set()


def install(kinds: Iterable[Kind]) -> None:
    """Put the instruments of these kinds in place, each once.

    They stay, and pass everything on where no effects are in force.
    """
    wanted = set(kinds) - _installed
    _installed.update(wanted)
    if "clock" in wanted:
        swap_in_modules(clock.install(_time))
    if "random" in wanted:
        swap_in_modules(randomness.install(_random, _secrets, _uuid))
        when_imported("numpy.random", numpy_random.install)
    if "environment" in wanted:
        environment.install()
    if "file" in wanted:
        files.install()
