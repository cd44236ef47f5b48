"""Settings: keyword, else environment, else `pyproject.toml`, else default."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from otel_agent_replay.config import Settings, environment_name, load_settings
from otel_agent_replay.errors import ConfigurationError

DOCS = Path(__file__).parents[1] / "docs"


def load(*, environment=None, pyproject=None, **keywords) -> Settings:
    if pyproject is not None:
        Path("pyproject.toml").write_text(f"[tool.agent_replay]\n{pyproject}")
    return load_settings(keywords, environment=environment or {})


def test_without_anything_there_are_the_defaults():
    """An SQLite file beside the program, redaction on."""
    found = load()

    assert found == Settings()
    assert (found.store, found.redact) == ("sqlite:///.agent-replay/runs.db", "default")


def test_keyword_before_environment_before_file():
    """Each setting by itself."""
    environment = {
        "AGENT_REPLAY_USER": "environment",
        "AGENT_REPLAY_AGENT_NAME": "environment",
    }
    pyproject = 'user = "file"\nagent_name = "file"\nconversation = "file"'

    found = load(environment=environment, pyproject=pyproject, user="keyword")

    assert (found.user, found.agent_name) == ("keyword", "environment")
    assert (found.conversation, found.prompt_name) == ("file", None)


def test_what_is_not_given_does_not_count():
    """None as keyword, an empty or blank variable."""
    environment = {"AGENT_REPLAY_USER": "", "AGENT_REPLAY_STORE": "  "}

    found = load(environment=environment, pyproject='user = "file"', user=None)

    assert found.user == "file"
    assert found.store == Settings().store


def test_an_empty_environment_is_an_environment(monkeypatch):
    """The process's own is read only where none is given."""
    monkeypatch.setenv("AGENT_REPLAY_USER", "mia")

    assert load_settings({}, environment={}).user is None
    assert load_settings({}).user == "mia"


def test_the_nearest_file_counts(tmp_path):
    """Searched for upwards from the working directory, or another one."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.agent_replay]\nuser = "above"')
    assert load_settings({}, environment={}, directory=below).user == "above"

    (below / "pyproject.toml").write_text("[project]\nname = 'x'")
    assert load_settings({}, environment={}, directory=below).user is None


@pytest.mark.parametrize("text", ["a, b ,,c", '["a", "b", "c"]'])
def test_lists_in_the_environment(text):
    """By commas, or as JSON."""
    assert load(environment={"AGENT_REPLAY_TAGS": text}).tags == ("a", "b", "c")


def test_lists_whose_items_have_commas():
    """JSON keeps them whole; a regular expression that looks like a list is none."""
    patterns = load(environment={"AGENT_REPLAY_REDACT_PATTERNS": r'["\\d{2,4}", "x"]'})
    single = load(environment={"AGENT_REPLAY_REDACT_PATTERNS": "[0-9]{9}"})

    assert patterns.redact_patterns == (r"\d{2,4}", "x")
    assert single.redact_patterns == ("[0-9]{9}",)
    assert load(redact_patterns=[r"\d{2,4}"]).redact_patterns == (r"\d{2,4}",)


def test_a_path_is_a_store(tmp_path):
    """As keyword."""
    assert load(store=tmp_path / "runs.db").store == str(tmp_path / "runs.db")


def test_numbers_from_everywhere():
    """As text or as number."""
    for found in (
        load(queue_bytes=5),
        load(environment={"AGENT_REPLAY_QUEUE_BYTES": "5"}),
        load(pyproject="queue_bytes = 5"),
    ):
        assert found.queue_bytes == 5


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"stroe": "x"}, "stroe (configure()): is no setting; there are: agent_name"),
        ({"redact": "on"}, "redact (configure()): 'on' is not one of 'default', 'off'"),
        ({"redact": False}, "redact (configure()): must be text"),
        ({"run_class": "failed"}, "run_class (configure()): 'failed' is not one of"),
        ({"user": 3}, "user (configure()): must be text"),
        ({"user": Path("x")}, "user (configure()): must be text"),
        ({"tags": 3}, "tags (configure()): must be a list of texts"),
        ({"tags": ["a", 3]}, "tags (configure()): must be a list of texts"),
        (
            {"queue_bytes": "many"},
            "queue_bytes (configure()): 'many' is no whole number",
        ),
        ({"queue_bytes": 2.5}, "2.5 is no whole number above 0"),
        ({"queue_bytes": 0}, "0 is no whole number above 0"),
        ({"queue_bytes": True * -1}, "-1 is no whole number above 0"),
        (
            {"otlp_endpoint": "localhost:4318"},
            "otlp_endpoint (configure()): must be the base",
        ),
        ({"otlp_endpoint": "http://host:port"}, "must be the base address"),
        ({"otlp_endpoint": "http://"}, "must be the base address"),
    ],
)
def test_what_has_no_meaning_is_refused(keywords, said):
    """With its name, where it stood, and what is allowed."""
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        load(**keywords)


def test_an_error_says_where_it_stood():
    """In the environment or in the file."""
    with pytest.raises(ConfigurationError, match=r"redact \(environment\)"):
        load(environment={"AGENT_REPLAY_REDACT": "no"})
    with pytest.raises(ConfigurationError, match=r"stroe \(\[tool.agent_replay\]\)"):
        load(pyproject="stroe = 1")


@pytest.mark.parametrize("text", ["[tool", "\x00", "[tool]\nagent_replay = 3"])
def test_a_damaged_file_is_named(text):
    """What cannot be read is not passed over."""
    Path("pyproject.toml").write_text(text)

    with pytest.raises(ConfigurationError, match=r"pyproject.toml|agent_replay"):
        load()


@pytest.mark.parametrize("text", ["", "tool = 3", "[tool]\nother = 1"])
def test_a_file_of_others_is_no_error(text):
    """It need not know of us."""
    Path("pyproject.toml").write_text(text)

    assert load() == Settings()


def test_variables_of_ours_that_are_no_settings_are_passed_over():
    """Such as those that a launcher sets."""
    assert load(environment={"AGENT_REPLAY_SESSION": "{}"}) == Settings()


def test_secrets_stay_out_of_errors():
    """A wrong value is shown, a password in an address is not."""
    with pytest.raises(ConfigurationError) as raised:
        load(otlp_endpoint="ftp://user:secret-password@host")

    assert "secret-password" not in str(raised.value)


def test_every_setting_is_documented():
    """In the table of docs/capture.md, with the name that is told there."""
    text = (DOCS / "capture.md").read_text()

    for field in dataclasses.fields(Settings):
        assert f"`{field.name}`" in text, field.name
    assert environment_name("store") == "AGENT_REPLAY_STORE"
