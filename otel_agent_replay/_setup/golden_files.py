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
    "NAMED",
    "golden_names",
    "lone_bodies",
    "orphans",
    "pending",
    "read_golden",
    "unnamed",
    "used_bodies",
    "write_golden",
]

FOLDER: Final = "goldens"
"""Where goldens stand, beside the tests."""
BODIES: Final = "bodies"
_SHOWN: Final = 80
_DRAFT: Final = ".draft"
_LEADS_OUT: Final = "it leads out of its folder"
NAMED: Final = (
    "a name has letters, digits, '.', '_' and '-', and begins with one of the first "
    "two; its file ends with .json"
)


def golden_names(folder: Path) -> list[str]:
    """Return the names of the goldens in a folder, sorted; none if it is not there."""
    return sorted(path.stem for path in _goldens(folder) if _is_named(path))


def unnamed(folder: Path) -> list[Path]:
    """Return the files that look like goldens, and are none because of their names."""
    return sorted(path for path in _goldens(folder) if not _is_named(path))


def _goldens(folder: Path) -> Iterator[Path]:
    for path in folder.glob("*"):
        if path.suffix.lower() == ".json":
            yield path


def _is_named(path: Path) -> bool:
    return path.suffix == ".json" and NAME.fullmatch(path.stem) is not None


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
        _read(path, folder).removeprefix("\ufeff"),
        str(path),
        lambda key: _body(folder, key, str(path)),
    )
    if golden.name != name:
        raise RecordingError(str(path), f"it is the golden {golden.name!r}")
    return golden


def _path(folder: Path, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise GoldenError(name[:_SHOWN], f"{NAMED}.")
    return folder / f"{name}.json"


def _body(folder: Path, key: str, source: str) -> str:
    path = folder / BODIES / f"{key}.txt"
    if not path.is_file():
        raise RecordingError(source, f"its body {path} is not there")
    return _read(path, folder)


def _read(path: Path, folder: Path) -> str:
    """Return the text of a file that really is in the folder."""
    try:
        if not _is_inside(path, folder):
            raise RecordingError(str(path), _LEADS_OUT)
        if path.stat().st_size > LARGEST:
            raise RecordingError(str(path), f"it has more than {LARGEST} bytes")
        return path.read_bytes().decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise RecordingError(str(path), f"it is no UTF-8 text: {error}") from None
    except OSError as error:
        raise RecordingError(str(path), error.strerror or str(error)) from None


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def pending(folder: Path, golden: Golden) -> dict[Path, str]:
    """Return the files, with their texts, that writing a golden would change."""
    made = dump_golden(golden)
    wanted = _files(folder, golden.name, made)
    return {path: text for path, text in wanted.items() if not _says(path, text)}


def _says(path: Path, text: str) -> bool:
    """Return whether a file holds a text, but for how its lines end on this system."""
    if not path.is_file():
        return False
    # No text of ours has a carriage return; git gives them to every line on Windows.
    return path.read_bytes().replace(b"\r\n", b"\n") == _encoded(text)


def write_golden(folder: Path, golden: Golden) -> list[Path]:
    """Write a golden and its bodies; return the files that changed.

    A golden that stands there stays whole until the new one is.

    Raises:
        RecordingError: The bodies' folder is a link out of the goldens' folder.
    """
    changed = pending(folder, golden)
    # Bodies first: a golden whose bodies are not there is damaged.
    for path in sorted(changed, key=lambda each: each.parent == folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _is_inside(path.parent, folder):
            raise RecordingError(str(path), _LEADS_OUT)
        draft = path.with_name(f"{path.name}{_DRAFT}")
        draft.unlink(missing_ok=True)
        with draft.open("xb") as file:  # through no link that somebody left there
            file.write(_encoded(changed[path]))
        draft.replace(path)
    return sorted(changed)


def _files(folder: Path, name: str, made: GoldenText) -> dict[Path, str]:
    bodies = {folder / BODIES / f"{key}.txt": t for key, t in made.bodies.items()}
    return {_path(folder, name): made.text, **bodies}


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def orphans(folder: Path, goldens: Sequence[Golden]) -> list[Path]:
    """Return the bodies that none of a folder's goldens has, and what a crash left."""
    used = {key for golden in goldens for key in used_bodies(golden)}
    bodies = [path for path in _bodies(folder, ".txt") if path.stem not in used]
    return [*bodies, *_bodies(folder, _DRAFT), *sorted(folder.glob(f"*{_DRAFT}"))]


def _bodies(folder: Path, suffix: str) -> list[Path]:
    where = folder / BODIES
    return sorted(where.glob(f"*{suffix}")) if _is_inside(where, folder) else []


def lone_bodies(path: Path) -> list[Path]:
    """Return the bodies that a golden's file names and no other of its folder does.

    Names are all that is looked at, so a damaged file keeps what it names.
    """
    own, *others = (
        each.read_bytes().decode("utf-8", "replace")
        for each in (path, *(p for p in _goldens(path.parent) if p != path))
    )
    return [
        body
        for body in _bodies(path.parent, ".txt")
        if body.stem in own and not any(body.stem in other for other in others)
    ]


def used_bodies(golden: Golden) -> frozenset[str]:
    """Return the keys of the bodies of a golden."""
    return frozenset(dump_golden(golden).bodies)
