"""Goldens in a folder: `NAME.json` each, and the large bodies in `bodies/`.

The folder may come from anyone: no path leads out of it, and what is read is capped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from otel_agent_replay.errors import GoldenError, RecordingError
from otel_agent_replay.replay.golden import (
    LARGEST,
    NAME,
    Golden,
    GoldenText,
    dump_golden,
    load_golden,
)

__all__ = [
    "BODIES",
    "FOLDER",
    "golden_names",
    "orphans",
    "pending",
    "read_golden",
    "used_bodies",
    "write_golden",
]

FOLDER: Final = "goldens"
"""Where goldens stand, beside the tests."""
BODIES: Final = "bodies"


def golden_names(folder: Path) -> list[str]:
    """Return the names of the goldens in a folder, sorted; none if it is not there."""
    found = (path.stem for path in folder.glob("*.json"))
    return sorted(name for name in found if NAME.fullmatch(name))


def read_golden(folder: Path, name: str) -> Golden:
    """Return a golden.

    Raises:
        GoldenError: It is not there, or its name is none.
        RecordingError: It, or a body of it, is damaged or too large.
    """
    path = _path(folder, name)
    if not path.is_file():
        known = ", ".join(golden_names(folder)[:10]) or "none"
        problem = f"{path} is not there. Goldens there: {known}."
        hint = f"Make it with `agent-replay golden add RUN --name {name}`."
        raise GoldenError(name, f"{problem} {hint}")
    golden = load_golden(
        _read(path, folder),
        str(path),
        lambda key: _body(folder, key, str(path)),
    )
    if golden.name != name:
        raise RecordingError(str(path), f"it is the golden {golden.name!r}")
    return golden


def _path(folder: Path, name: str) -> Path:
    if not NAME.fullmatch(name):
        problem = "a name has letters, digits, '.', '_' and '-', and begins with one"
        raise GoldenError(name, f"{problem} of the first two.")
    return folder / f"{name}.json"


def _body(folder: Path, key: str, source: str) -> str:
    path = folder / BODIES / f"{key}.txt"
    if not path.is_file():
        raise RecordingError(source, f"its body {path} is not there")
    return _read(path, folder)


def _read(path: Path, folder: Path) -> str:
    """Return the text of a file that really is in the folder."""
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise RecordingError(str(path), "it leads out of its folder")
        if path.stat().st_size > LARGEST:
            raise RecordingError(str(path), f"it has more than {LARGEST} bytes")
        return path.read_bytes().decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise RecordingError(str(path), f"it is no UTF-8 text: {error}") from None
    except OSError as error:
        raise RecordingError(str(path), error.strerror or str(error)) from None


def pending(folder: Path, golden: Golden) -> dict[Path, str]:
    """Return the files, with their texts, that writing a golden would change."""
    made = dump_golden(golden)
    wanted = _files(folder, golden.name, made)
    return {
        path: text
        for path, text in wanted.items()
        if not path.is_file() or path.read_bytes() != _encoded(text)
    }


def write_golden(folder: Path, golden: Golden) -> list[Path]:
    """Write a golden and its bodies; return the files that changed."""
    changed = pending(folder, golden)
    # Bodies first: a golden whose bodies are not there is damaged.
    for path in sorted(changed, key=lambda each: each.parent == folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_bytes(_encoded(changed[path]))
        draft.replace(path)
    return sorted(changed)


def _files(folder: Path, name: str, made: GoldenText) -> dict[Path, str]:
    bodies = {folder / BODIES / f"{key}.txt": t for key, t in made.bodies.items()}
    return {_path(folder, name): made.text, **bodies}


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def orphans(folder: Path, goldens: Sequence[Golden]) -> list[Path]:
    """Return the bodies that none of a folder's goldens has."""
    used = {key for golden in goldens for key in used_bodies(golden)}
    return [path for path in _bodies(folder) if path.stem not in used]


def _bodies(folder: Path) -> Iterator[Path]:
    yield from sorted((folder / BODIES).glob("*.txt"))


def used_bodies(golden: Golden) -> frozenset[str]:
    """Return the keys of the bodies of a golden."""
    return frozenset(dump_golden(golden).bodies)
