"""Every setting, read once: explicit arguments win over `CONLORA_*` variables, those over `config.toml`, over defaults.

This module is the sole reader of the environment and of the settings file. Not covered here: what a setting does;
that is said where it is used.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from conlora_agent.core.errors import SettingsError, reason
from tools.providers import Providers

if TYPE_CHECKING:
    from tools.http import HttpClient

PREFIX = "CONLORA_"
FILE = "config.toml"


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _split(value: Any) -> Any:
    """The words of a variable; a list in the settings file is one already."""
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


S = TypeVar("S", bound="Settings")
Precision = Literal["auto", "fp32", "bf16", "8bit", "4bit"]
Folder = Annotated[Path, AfterValidator(_absolute)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")]
Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
Urls = Annotated[tuple[Url, ...], BeforeValidator(_split)]


class Settings(BaseModel):
    """Frozen settings of one agent. Build them with `Settings.load`."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    home: Folder = Field(default_factory=lambda: Path(platformdirs.user_data_dir("conlora", appauthor=False)))
    """Threads, pictures and the user's own tasks. Holds the settings file, so it cannot be set there."""
    cache: Folder = Field(default_factory=lambda: Path(platformdirs.user_cache_dir("conlora", appauthor=False)))
    """Whatever can be remade: the assembled model, the fitted router."""
    backbone: str = Field(default="nano", min_length=1)
    """`nano`, a folder or hub id of an image-text-to-text model, or the address of an OpenAI-compatible server."""
    backbone_key: str | None = Field(default=None, repr=False)
    """Bearer token for that server."""
    precision: Precision = "auto"
    """Numbers that a model in this process computes in; 8bit and 4bit are for the language model, to save memory."""
    backbone_timeout_s: float = Field(default=120.0, gt=0.0)
    """How long the server may be silent."""
    router: Literal["embedding", "llm", "cascade", "fixed"] = "embedding"
    """Who chooses the route: a classifier, the language model, the one and where it is not sure the other; or always
    `chat`."""
    llm_cost: float = Field(default=0.05, ge=0.0, le=1.0)
    """What asking the language model costs the cascade, in wrong routes: 0.05 asks where it saves 5 in 100."""
    clarify_threshold: float | None = Field(default=None, ge=0.0, le=1.0)
    """Ask back below this confidence; None takes the threshold that the router fitted."""
    max_steps: int = Field(default=6, ge=1, le=64)
    """Steps one turn may take before it ends with an explanation."""
    history_tokens: int = Field(default=1024, ge=0)
    """Tokens of earlier conversation shown to the language model."""
    max_picture_pixels: int = Field(default=50_000_000, ge=1)
    max_text_chars: int = Field(default=20_000, ge=1)
    offline: bool = False
    """Never open a connection; tools that need one say so."""
    http_timeout_s: float = Field(default=10.0, gt=0.0)
    mcp_config: Folder | None = None
    """File of MCP servers in the form `{"mcpServers": {...}}`; None takes mcp.json in `home`, if there is one."""
    allowed_origins: Urls = ()
    """Servers that tools may reach although their addresses are not public, such as "http://127.0.0.1:8080"."""
    wikipedia_url: Url = Providers.wikipedia_url
    wikidata_url: Url = Providers.wikidata_url
    weather_url: Url = Providers.weather_url
    weather_fallback_url: Url = Providers.weather_fallback_url
    geocoding_url: Url = Providers.geocoding_url
    currency_url: Url = Providers.currency_url
    currency_fallback_url: Url = Providers.currency_fallback_url
    dictionary_url: Url = Providers.dictionary_url
    dictionary_fallback_url: Url = Providers.dictionary_fallback_url
    duckduckgo_url: Url = Providers.duckduckgo_url
    instant_answers_url: Url = Providers.instant_answers_url
    brave_url: Url = Providers.brave_url
    brave_key: SecretStr | None = None
    """Key of Brave's Search API, which is then asked before DuckDuckGo."""
    searxng_url: Url | None = Field(default=None, repr=False)
    """A SearXNG of one's own, which is then asked first."""
    database: SecretStr | None = None
    """Where threads are kept: "postgresql://user:password@host/name"; None for a SQLite file in `home`."""
    keep_days: int | None = Field(default=None, ge=1)
    """Days after which a thread that nobody used is deleted; None keeps them all."""
    stacks_mib: int = Field(default=512, ge=0)
    """Memory for stacks; those used least recently leave it and are read from disk when next used."""
    pictures_mib: int = Field(default=256, ge=0)
    """Memory for what was seen of pictures."""
    prefixes_mib: int = Field(default=256, ge=0)
    """Memory for conversations read so far."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of the backbone; None leaves the choice to torch."""
    api_keys: Words = Field(default=(), repr=False)
    """Keys that the HTTP server takes, separated by commas; without one it serves this machine only."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """Requests that the HTTP server takes of each key in a minute."""
    max_request_bytes: int = Field(default=32_000_000, ge=1)
    turns_at_once: int = Field(default=8, ge=1)
    """Turns that the HTTP server runs at the same time; more wait, callers taking turns."""
    drain_s: int = Field(default=30, ge=0)
    """Seconds that turns under way have to finish when the HTTP server is stopped; then they are rolled back."""
    cors_origins: Words = ()
    """Web pages that may call the HTTP server from a browser, separated by commas."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **explicit: Any) -> Self:
        """Settings from all sources. An explicit None means "not given".

        Raises SettingsError for unknown names, with the nearest known one, and for values that do not fit.
        """
        given = {name: value for name, value in explicit.items() if value is not None}
        _refuse_unknown(given, cls.model_fields, "argument")
        variables = _from_environment(os.environ if environ is None else environ, cls.model_fields)
        base = _validated(cls, {k: v for k, v in {**variables, **given}.items() if k == "home"})
        return _validated(cls, {**_from_file(base.home / FILE, cls.model_fields), **variables, **given})

    def client(self) -> HttpClient:
        """A client for addresses that users name: public ones, and the origins allowed."""
        from tools.http import HttpClient

        return HttpClient(timeout_s=self.http_timeout_s, offline=self.offline, trusted=self.allowed_origins)

    def providers(self) -> Providers:
        """Where the tools get their answers."""
        given = {item.name: getattr(self, item.name) for item in dataclasses.fields(Providers)}
        key = self.brave_key.get_secret_value() if self.brave_key else None
        return Providers(**{**given, "brave_key": key})

    def changed(self, values: Mapping[str, Any], *, allowed: Iterable[str]) -> Self:
        """These settings with other `values`, of which only those in `allowed` may differ. Raises SettingsError."""
        _refuse_unknown(values, allowed, "setting to change while running")
        return _validated(type(self), {**self.model_dump(), **values})


def _from_environment(environ: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """Values of the `CONLORA_*` variables. An empty variable counts as not set."""
    found = {k.removeprefix(PREFIX).lower(): v for k, v in environ.items() if k.startswith(PREFIX) and v}
    _refuse_unknown(found, known, "environment variable", spell=lambda name: PREFIX + name.upper())
    return found


def _from_file(path: Path, known: Iterable[str]) -> dict[str, Any]:
    """Values of the settings file, none when there is no such file."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except NotADirectoryError as error:
        raise SettingsError(
            f"{path.parent} is no folder", f"set {PREFIX}HOME to one, or move that file away"
        ) from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read {path} ({reason(error)})", "correct or remove that file") from error
    if "home" in values:
        raise SettingsError(f"'home' cannot be set inside {path}", f"set the variable {PREFIX}HOME instead")
    _refuse_unknown(values, known, f"setting in {path}")
    return values


def _refuse_unknown(given: Iterable[str], known: Iterable[str], where: str, spell: Callable[[str], str] = str) -> None:
    options = list(known)
    for name in given:
        if name not in options:
            near = difflib.get_close_matches(name, options, n=1)
            listed = ", ".join(spell(option) for option in options)
            remedy = f"did you mean {spell(near[0])!r}?" if near else f"choose one of: {listed}"
            raise SettingsError(f"unknown {where} {spell(name)!r}", remedy)


def _validated(cls: type[S], values: dict[str, Any]) -> S:
    try:
        return cls(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise SettingsError(
            f"setting {name!r} does not accept {first['input']!r}: {first['msg'][:1].lower()}{first['msg'][1:]}",
            f"correct it where it is given: argument, {PREFIX}{name.upper()} or {FILE}",
        ) from error
