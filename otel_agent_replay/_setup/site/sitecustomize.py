"""Starts capture in every Python process under `agent-replay record` and the like.

Python imports the first `sitecustomize` on its path at start-up; the one it would
have imported otherwise is run after this.
"""

import importlib.util
import os
import sys


def _run_next() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    elsewhere = [path for path in sys.path if os.path.abspath(path or ".") != here]
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find("sitecustomize", elsewhere) if find else None
        if spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return


def _start() -> None:
    try:
        from otel_agent_replay._setup.entry import start

        start()
    except Exception as error:  # the program must start whatever happens here
        print(f"agent-replay: nothing is recorded: {error}", file=sys.stderr)
        if "AGENT_REPLAY_SESSION" in os.environ:
            os._exit(70)  # a replay that cannot start must not go live


_run_next()
_start()
