"""A project whose agent was recorded."""

from __future__ import annotations

import pytest

from tests.golden.project import Project, added, clerk_project


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Project:
    """Return a project whose agent was recorded, with a golden and its test."""
    project = clerk_project(tmp_path_factory.mktemp("clerk"))
    added(project)
    return project


@pytest.fixture
def project(recorded, tmp_path) -> Project:
    """Return a copy of it, without the store."""
    files = {name: text.decode() for name, text in recorded.files().items()}
    return Project(tmp_path, files)
