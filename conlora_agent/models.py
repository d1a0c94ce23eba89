"""The backbone, loaded when it is first needed, with each task's stack attached when it is first used.

Not covered here: how a backbone is assembled (conlora_agent.backbone) or weights are checked (adapters.weights).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from conlora_agent.core.errors import WeightsError
from conlora_agent.core.protocols import Backbone
from conlora_agent.probe import probe
from conlora_agent.settings import Settings

if TYPE_CHECKING:
    from adapters.task import Task
    from adapters.weights import Scores

Fingerprint = tuple[str, int]
Progress = Callable[..., None]


class Models:
    """Gives the backbone of the settings and keeps its stacks up to date. Safe to call from several threads."""

    def __init__(
        self, settings: Settings, backbone: Backbone | None = None, on_progress: Progress | None = None
    ) -> None:
        self._settings = settings
        self._backbone = backbone
        self._on_progress = on_progress
        self._attached: dict[str, Fingerprint] = {}
        self._scores: dict[str, Scores | None] = {}
        self._lock = threading.RLock()

    @property
    def loaded(self) -> bool:
        """Whether the backbone is in memory."""
        return self._backbone is not None

    @property
    def name(self) -> str:
        """What manifests call the backbone; known before it is loaded, but for a server of which no model is named."""
        from conlora_agent.backbone import backbone_name

        if self._backbone is not None:
            return self._backbone.name
        return backbone_name(self._settings.backbone) or self._settings.backbone

    def backbone(self) -> Backbone:
        """The backbone, loaded now if it is not yet. Raises BackboneError."""
        with self._lock:
            if self._backbone is None:
                from conlora_agent.backbone import load_backbone

                self._backbone = load_backbone(self._settings.backbone, self._settings, on_progress=self._on_progress)
            return self._backbone

    def close(self) -> None:
        """Let go of the backbone, and of its connections where it is elsewhere."""
        if (close := getattr(self._backbone, "close", None)) is not None:
            close()

    def stack(self, task: Task) -> str | None:
        """Name of the attached stack of `task`, None when the task is prompt-only on this backbone.

        Weights that changed on disk are attached anew. Raises WeightsError.
        """
        from adapters.weights import check_weights

        with self._lock:
            backbone = self.backbone()
            folder = task.weights(backbone.name)
            if folder is None:
                self._forget(backbone, task.name)
                # A server may hold the stack without our having its weights.
                return task.name if task.name in backbone.stacks() else None
            fingerprint = _fingerprint(folder)
            if self._attached.get(task.name) != fingerprint or task.name not in backbone.stacks():
                record = check_weights(folder, backbone.name, backbone.revision or None)
                self._forget(backbone, task.name)
                backbone.attach(task.name, folder)
                if task.name not in backbone.stacks():
                    return None  # a server that loads no stacks
                self._refuse_bad(task, backbone, fingerprint)
                self._attached[task.name] = fingerprint
                self._scores[task.name] = record.scores
            return task.name

    def scores(self, task: str) -> Scores | None:
        """How the scores of boxes become chances by the task's attached stack, None where nothing was fitted."""
        return self._scores.get(task)

    def _refuse_bad(self, task: Task, backbone: Backbone, fingerprint: Fingerprint) -> None:
        """Ask a stack that is new here about its probe picture. Text is always text: only the other kinds are asked.

        What passed is remembered in the cache, so that the question is put once. Raises WeightsError.
        """
        if task.manifest.output == "text":
            return
        key = hashlib.sha256(repr((fingerprint, backbone.revision, task.manifest)).encode()).hexdigest()[:24]
        passed = self._settings.cache / "probes" / key
        if passed.exists():
            return
        if problem := probe(task, backbone, task.name).problem:
            backbone.detach(task.name)
            raise WeightsError(problem, "train it again, or remove its table from task.toml")
        passed.parent.mkdir(parents=True, exist_ok=True)
        passed.touch()

    def _forget(self, backbone: Backbone, name: str) -> None:
        self._scores.pop(name, None)
        if self._attached.pop(name, None) is not None:
            backbone.detach(name)


def _fingerprint(folder: Path) -> Fingerprint:
    """Changes when any file of the folder is replaced."""
    times = [path.stat().st_mtime_ns for path in folder.glob("*")] if folder.is_dir() else []
    return str(folder), max(times, default=0)
