"""Where settings come from, which source wins, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from conlora_agent.core.errors import SettingsError
from conlora_agent.settings import Settings


def write_file(home: Path, text: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(text)


def test_defaults_need_no_source(isolated_home: Path) -> None:
    settings = Settings.load()
    assert settings.home == isolated_home
    assert (settings.backbone, settings.router, settings.max_steps, settings.offline) == ("nano", "embedding", 6, False)


def test_explicit_wins_over_environment_over_file_over_default(isolated_home: Path) -> None:
    write_file(isolated_home, "max_steps = 3\nhistory_tokens = 300\nhttp_timeout_s = 3\n")
    environ = {"CONLORA_HOME": str(isolated_home), "CONLORA_HISTORY_TOKENS": "400", "CONLORA_HTTP_TIMEOUT_S": "4"}
    settings = Settings.load(environ, http_timeout_s=5)
    assert (settings.max_steps, settings.history_tokens, settings.http_timeout_s) == (3, 400, 5.0)
    assert settings.max_text_chars == 20_000


def test_the_file_is_looked_for_in_an_explicit_home(tmp_path: Path) -> None:
    write_file(tmp_path / "other", 'backbone = "large"\n')
    assert Settings.load(home=tmp_path / "other").backbone == "large"


def test_none_and_empty_variables_mean_not_given() -> None:
    assert Settings.load({"CONLORA_BACKBONE": ""}, backbone=None).backbone == "nano"


@pytest.mark.parametrize("text", ["1", "true", "yes", "on"])
def test_switches_in_the_environment(text: str) -> None:
    assert Settings.load({"CONLORA_OFFLINE": text}).offline is True


def test_folders_are_absolute_and_expanded() -> None:
    settings = Settings.load({"CONLORA_HOME": "~/pictures", "CONLORA_CACHE": "here"})
    assert settings.home == Path("~/pictures").expanduser()
    assert settings.cache.is_absolute()


def test_an_unknown_variable_names_the_near_miss() -> None:
    with pytest.raises(SettingsError, match="CONLORA_BACKBON'; did you mean 'CONLORA_BACKBONE'"):
        Settings.load({"CONLORA_BACKBON": "nano"})


def test_an_unknown_key_in_the_file_names_file_and_near_miss(isolated_home: Path) -> None:
    write_file(isolated_home, "max_step = 3\n")
    with pytest.raises(SettingsError, match=r"config\.toml 'max_step'; did you mean 'max_steps'"):
        Settings.load()


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(SettingsError, match="choose one of: home, cache"):
        Settings.load(zzz=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_steps", "many"),
        ("max_steps", "0"),
        ("router", "oracle"),
        ("clarify_threshold", "1.5"),
        ("wikipedia_url", "ftp://example.org"),
        ("http_timeout_s", "-1"),
        ("threads", "0"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({f"CONLORA_{name.upper()}": value})
    assert f"setting '{name}' does not accept '{value}'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["max_steps = ", "\x00", 'home = "/elsewhere"'])
def test_a_broken_file_is_named(isolated_home: Path, text: str) -> None:
    write_file(isolated_home, text)
    with pytest.raises(SettingsError, match=r"config\.toml"):
        Settings.load()


def test_a_file_in_the_place_of_the_home_is_named(isolated_home: Path) -> None:
    isolated_home.write_text("")
    with pytest.raises(SettingsError, match=f"{isolated_home} is no folder; set CONLORA_HOME to one"):
        Settings.load()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().max_steps = 9  # type: ignore[misc]
