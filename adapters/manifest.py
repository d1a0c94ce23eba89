"""`task.toml`: what a task is. Parsing and validation, with errors that name the file, the key and the remedy.

Not covered here: the folder around it (task.py) and the weights it points to (weights.py).
"""

from __future__ import annotations

import difflib
import re
import string
import tomllib
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from conlora_agent.core import files
from conlora_agent.core.errors import DataError, ManifestError
from conlora_agent.core.types import CHAT, CLARIFY

MANIFEST = "task.toml"
MAX_BYTES = 64 * 1024
RESERVED = (CHAT, CLARIFY, "auto", "base")
"""Names that mean something else where a task's name is written."""

Output = Literal["text", "boxes", "labels", "json"]
Part = Literal["vision", "mid", "language"]


def check_name(value: str) -> str:
    """`value` when it may be the name of a task. Raises ValueError."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", value):
        raise ValueError("must be a lower-case letter followed by letters, digits or _ (at most 40)")
    if value in RESERVED:
        raise ValueError(f"must not be one of the reserved names {', '.join(RESERVED)}")
    return value


def _template(value: str) -> str:
    """A prompt with at most the placeholder `{request}`; literal braces are doubled, as in `str.format`."""
    try:
        fields = [part[1:] for part in string.Formatter().parse(value) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"is not a template ({error}); write literal braces as {{{{ and }}}}") from error
    if any(field != ("request", "", None) for field in fields):
        raise ValueError("may contain {request} and no other placeholder; write literal braces as {{ and }}")
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _inside(value: str) -> str:
    path = PurePosixPath(value)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in value or ":" in value:
        raise ValueError("must be a path inside the task folder, such as 'nano'")
    return value


def check_hub_id(value: str) -> str:
    """`value` when it may be the id of a repository. Raises ValueError."""
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", value, re.ASCII) or ".." in value:
        raise ValueError("must be a hub id of the form owner/name")
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a regular expression ({error})") from error
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]
Name = Annotated[str, AfterValidator(check_name)]
Template = Annotated[str, Field(max_length=2000), AfterValidator(_template)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Prompts(_Table):
    """What the model is told. The placeholder `{request}` stands for the user's words."""

    picture: Template
    """For a whole picture."""
    region: Template | None = None
    """For a region cut out of it; by default the same as for a picture."""


class Probe(_Table):
    """What a stack is asked at start-up to see whether it answers in its own kind."""

    request: str = Field(min_length=1, max_length=2000)
    picture: Annotated[str, AfterValidator(_inside)] | None = None
    """A picture beside the manifest; by default a drawn one."""


class Training(_Table):
    """How `conlora tasks train` makes a stack: where its LoRAs go, how large they are, how long it learns."""

    parts: tuple[Part, ...] = Field(default=("vision", "mid", "language"), min_length=1, strict=False)
    """Which parts of the backbone get LoRAs."""
    vision_layers: int | None = Field(default=None, ge=1)
    """How many of the uppermost vision layers; by default what suits the backbone's family."""
    modules: tuple[Pattern, ...] | None = Field(default=None, min_length=1, strict=False)
    """Regular expressions of full module names, in place of the family's own."""
    rank: int | None = Field(default=None, ge=1, le=512)
    """Of the language model's LoRAs; vision and mid layer have half of it. By default what suits the family."""
    alpha: int | None = Field(default=None, ge=1)
    """Scale of the LoRAs; by default twice the rank."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    start: Name | None = None
    """A task whose stack the training begins with; ranks and modules are then those of that stack."""
    rate: float | None = Field(default=None, gt=0.0, le=1.0)
    """Learning rate; by default what suits the family."""
    epochs: int = Field(default=20, ge=1)
    """How often every row is seen, unless training stops early."""
    batch: int = Field(default=16, ge=1)
    """Rows a step learns from, however many fit into memory together."""
    patience: int = Field(default=4, ge=1)
    """Training stops after this many looks at the held-out rows without progress."""


class Source(_Table):
    """Where a stack for one backbone is: `weights`, a folder beside the manifest, or `hub`, with its `revision`."""

    weights: Annotated[str, AfterValidator(_inside)] | None = None
    hub: Annotated[str, AfterValidator(check_hub_id)] | None = None
    revision: Annotated[str, Field(min_length=1, max_length=100)] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if (self.weights is None) == (self.hub is None):
            raise ValueError(
                "needs either weights (a folder) or hub (an id); leave the table out for a prompt-only task"
            )
        if self.revision is not None and self.hub is None:
            raise ValueError("takes a revision only together with hub")
        return self


class Manifest(_Table):
    """The content of a `task.toml`."""

    name: Name
    title: str = Field(min_length=1, max_length=60)
    description: str = Field(min_length=1, max_length=200, pattern=r"^[^\r\n]+$")
    """One line; also what a language model reads when it chooses among routes."""
    needs_image: bool = True
    routable: bool = True
    """False for a stack that only the agent itself uses: the router never chooses it."""
    output: Output = "text"
    """How the model's text is read, see parsers.py."""
    reads: bool = False
    """Whether the answer is the text on the picture: its lines come with boxes, where the backbone tells them."""
    describes: bool = False
    """Whether the answer is what the picture shows: none is given where the backbone recognises nothing."""
    max_new_tokens: int = Field(default=96, ge=1, le=2048)
    prompts: Prompts
    probe: Probe | None = None
    """By default the first routing example on a drawn picture."""
    training: Training = Training()
    backbones: dict[Name, Source] = Field(default_factory=dict)
    """Per backbone its stack. A backbone that is not listed runs the prompt alone."""

    @field_validator("reads", "describes")
    @classmethod
    def _text_about_a_picture(cls, value: bool, info: ValidationInfo) -> bool:
        if value and (info.data.get("output") != "text" or not info.data.get("needs_image")):
            raise ValueError("is for tasks that need an image and whose output is text")
        return value


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a task folder. Raises ManifestError."""
    path = folder / MANIFEST
    return parse_manifest(read_text(path, MAX_BYTES), where=f"{folder.name}/{MANIFEST}")


def parse_manifest(text: str, *, where: str = MANIFEST) -> Manifest:
    """A manifest from TOML text; `where` names the file in errors. Raises ManifestError."""
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{where} is not TOML ({error})", "correct that line") from error
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        raise _explain(error, where) from error


def read_text(path: Path, limit: int) -> str:
    """A small UTF-8 file of a task folder. Raises ManifestError when there is none or it is not one."""
    if not path.is_file():
        raise ManifestError(
            f"there is no {path.name} in {path.parent}", "write one, or start with: conlora tasks new NAME"
        )
    try:
        return files.read_text(path, limit)
    except DataError as error:
        raise ManifestError(error.problem, error.remedy) from error


def _explain(error: ValidationError, where: str) -> ManifestError:
    """One line for the first problem; an unknown key names its near miss."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if part != "[key]"]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = _keys_at(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known keys here: {', '.join(known)}"
        return ManifestError(f"{where} has an unknown key {key!r}", remedy)
    if first["type"] == "missing":
        return ManifestError(f"{where} lacks the key {key!r}", "add it")
    problem = first["msg"].removeprefix("Value error, ")
    return ManifestError(f"{where}: {key} {problem[:1].lower()}{problem[1:]}", f"correct {key!r}")


def _keys_at(path: list[str]) -> list[str]:
    tables: dict[str, Any] = {
        "": Manifest,
        "prompts": Prompts,
        "probe": Probe,
        "training": Training,
        "backbones": Source,
    }
    return list(tables[path[0] if path else ""].model_fields)
