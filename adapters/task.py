"""A task: a folder with a manifest, routing examples and, per backbone, a stack of LoRAs.

Not covered here: finding task folders (registry.py) and running a task (the agent above).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from adapters.hub import fetch
from adapters.manifest import Manifest, read_manifest, read_text
from adapters.weights import check_weights
from conlora_agent.core.errors import ManifestError
from conlora_agent.core.files import numbered_lines
from conlora_agent.core.types import Example, Route

EXAMPLES = "examples.jsonl"
MIN_EXAMPLES = 8
MAX_BYTES = 4 * 1024 * 1024
MAX_CHARS = 2000


@dataclass(frozen=True)
class Task:
    """What a user can ask of a picture. `builtin` tells those of this repository from the user's own."""

    manifest: Manifest
    folder: Path
    examples: tuple[Example, ...]
    builtin: bool = False
    offline: bool = False
    """Take stacks on the hub only from the local cache."""

    @property
    def name(self) -> str:
        """Its route id, which is also the name of its stack."""
        return self.manifest.name

    def route(self) -> Route:
        """The task as a destination for the router."""
        return self._route

    @cached_property
    def _route(self) -> Route:
        manifest = self.manifest
        return Route(
            name=manifest.name,
            kind="task",
            title=manifest.title,
            description=manifest.description,
            needs_image=manifest.needs_image,
            examples=self.examples,
        )

    def prompt(self, request: str, *, region: bool = False) -> str:
        """The instruction for the user's `request`, on a whole picture or on a region cut out of it."""
        prompts = self.manifest.prompts
        template = prompts.region if region and prompts.region is not None else prompts.picture
        return template.format(request=request)

    @property
    def probe_request(self) -> str:
        """What its stack is asked at start-up."""
        if self.manifest.probe is not None:
            return self.manifest.probe.request
        return self.examples[0].text if self.examples else self.manifest.title

    @property
    def probe_file(self) -> Path | None:
        """The picture that goes with it, None for a drawn one."""
        probe = self.manifest.probe
        return self.folder / probe.picture if probe is not None and probe.picture is not None else None

    def weights(self, backbone: str) -> Path | None:
        """Folder of the stack for this backbone, None when the task is prompt-only there.

        A stack on the hub is fetched on first use. Raises WeightsError when it is missing, unsafe or made for another
        backbone; whether its revision fits is for the caller, who has the backbone, to check (`check_weights`).
        """
        source = self.manifest.backbones.get(backbone)
        if source is None:
            return None
        folder = self.folder / source.weights if source.weights else fetch(source, offline=self.offline)
        check_weights(folder, backbone)
        return folder


def load_task(folder: Path, *, builtin: bool = False, offline: bool = False) -> Task:
    """The task in a folder. Reads manifest and examples, no weights. Raises ManifestError."""
    manifest = read_manifest(folder)
    examples = read_examples(folder / EXAMPLES) if manifest.routable or (folder / EXAMPLES).exists() else ()
    if manifest.routable and len(examples) < MIN_EXAMPLES:
        raise ManifestError(
            f"{folder.name}/{EXAMPLES} has {len(examples)} routing examples, at least {MIN_EXAMPLES} are needed",
            'add lines such as {"text": "how would a user ask for it?"}',
        )
    return Task(manifest, folder, examples, builtin, offline)


def read_examples(path: Path) -> tuple[Example, ...]:
    """The routing examples in a JSONL file, blank lines skipped. Raises ManifestError naming file and line."""
    shown = f"{path.parent.name}/{path.name}"
    return tuple(_example(line, f"{shown}, line {i}") for i, line in numbered_lines(read_text(path, MAX_BYTES)))


def _example(line: str, where: str) -> Example:
    try:
        example = Example.model_validate(json.loads(line))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the line"
        raise ManifestError(f"{where}: {key}: {first['msg'].lower()}", "correct that line") from error
    except (ValueError, RecursionError) as error:
        remedy = 'write one JSON object a line, such as {"text": "read the sign"}'
        raise ManifestError(f"{where} is not JSON ({error})", remedy) from error
    if not example.text.strip() or len(example.text) > MAX_CHARS:
        raise ManifestError(f"{where}: text is blank or longer than {MAX_CHARS} characters", "correct that line")
    return example
