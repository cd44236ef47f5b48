"""Being called once a module is there."""

from __future__ import annotations

import importlib
import importlib.util
import sys

import pytest

from otel_agent_replay.instrument.on_import import forget_import, when_imported


@pytest.fixture
def module_name(tmp_path, monkeypatch):
    """A module that can be imported and is not yet."""
    name = "agent_replay_imported_later"
    (tmp_path / f"{name}.py").write_text("LOADER = __loader__\nVALUE = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def test_imported_later(module_name):
    """The callback gets the module when its code has run, not before."""
    got = []
    when_imported(module_name, lambda module: got.append(module.VALUE))
    before = list(got)

    importlib.import_module(module_name)

    assert before == []
    assert got == [42]


def test_nothing_is_imported(module_name):
    """Asking imports nothing."""
    when_imported(module_name, lambda _: None)

    assert module_name not in sys.modules


def test_there_already(module_name):
    """For a module that is there the callback runs at once."""
    module = importlib.import_module(module_name)
    got = []

    when_imported(module_name, got.append)

    assert got == [module]


def test_asked_twice(module_name):
    """The same callback is called once; another one too."""
    got, other = [], []
    when_imported(module_name, got.append)
    when_imported(module_name, got.append)
    when_imported(module_name, other.append)

    module = importlib.import_module(module_name)

    assert (got, other) == ([module], [module])


def test_forgotten(module_name):
    """What was taken back is not called."""
    got = []
    when_imported(module_name, got.append)
    forget_import(module_name, got.append)
    forget_import(module_name, got.append)

    importlib.import_module(module_name)

    assert got == []


def test_failing_callback(module_name, caplog):
    """A callback that fails is logged; the import succeeds."""

    def fail(_):
        raise LookupError

    when_imported(module_name, fail)

    assert importlib.import_module(module_name).VALUE == 42
    assert module_name in caplog.text


def test_module_keeps_its_loader(module_name):
    """The module's own code, and who looks later, sees its true loader."""
    when_imported(module_name, lambda _: None)

    module = importlib.import_module(module_name)

    assert type(module.__loader__) is importlib.machinery.SourceFileLoader
    assert module.__spec__.loader is module.__loader__ is module.LOADER


def test_looking_for_a_module_is_no_import(module_name):
    """`find_spec` alone calls nobody; the import after it does."""
    got = []
    when_imported(module_name, got.append)
    spec = importlib.util.find_spec(module_name)
    before = list(got)

    importlib.import_module(module_name)

    assert spec.loader.get_filename(module_name) == spec.origin
    assert before == []
    assert len(got) == 1


def test_module_that_fails_to_import(tmp_path, monkeypatch):
    """A module whose code raises calls nobody, and can be imported later."""
    name = "agent_replay_fails_once"
    path = tmp_path / f"{name}.py"
    path.write_text("raise RuntimeError('not yet')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    got = []
    when_imported(name, got.append)

    with pytest.raises(RuntimeError, match="not yet"):
        importlib.import_module(name)
    path.write_text("VALUE = 'ready at last'\n")
    importlib.invalidate_caches()
    module = importlib.import_module(name)
    sys.modules.pop(name)

    assert got == [module]
