"""Checks a stack's folder before any of it is loaded: PEFT safetensors only, complete, made for this backbone.

Safetensors hold numbers and nothing else, so they cannot run code; everything that could is refused by its kind.
Not covered here: loading (the backbone does that) and fetching from the hub (hub.py).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conlora_agent.core.errors import WeightsError

CONFIG = "adapter_config.json"
TENSORS = "adapter_model.safetensors"
RECORD = "stack.json"
PICKLES = frozenset({".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth", ".t7"})
MAX_RANK = 512
MAX_JSON_BYTES = 1024 * 1024
SURE = 1e-4
"""A probability nearer to 0 or 1 counts as this far from it."""


class Scores(BaseModel):
    """How probabilities of a box's tokens become the chance that the box is right (Platt 1999), fitted to answers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    slope: float = Field(ge=0, allow_inf_nan=False)
    intercept: float = Field(allow_inf_nan=False)

    def of(self, score: float) -> float:
        """The chance, 0..1, for a geometric mean of token probabilities."""
        return 1 / (1 + math.exp(-self.slope * log_odds(score) - self.intercept))


def log_odds(score: float) -> float:
    """Of a probability, kept finite at 0 and 1."""
    kept = min(max(score, SURE), 1 - SURE)
    return math.log(kept / (1 - kept))


class StackRecord(BaseModel):
    """`stack.json`: what a stack was trained on. Further keys (how it was trained) are allowed and not read."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    backbone: str = Field(min_length=1)
    revision: str = Field(min_length=1)
    scores: Scores | None = None
    """For boxes; without it their scores are what the tokens' probabilities say."""


def check_weights(folder: Path, backbone: str, revision: str | None = None) -> StackRecord:
    """What the stack in `folder` was trained on. Cheap: of the tensors it reads the header only.

    Raises WeightsError when a file is missing, damaged or of an unsafe kind, or when the stack was made for another
    backbone or, where `revision` is given, another revision of it.
    """
    if not folder.is_dir():
        raise WeightsError(f"the stack folder {folder} is missing", "train it, or remove its table from task.toml")
    refuse_pickles(folder)
    for name in (CONFIG, TENSORS, RECORD):
        if not (folder / name).is_file():
            raise WeightsError(f"the stack in {folder} has no {name}", "copy or train the stack again")
    _check_config(folder / CONFIG)
    _check_tensors(folder / TENSORS)
    record = read_record(folder / RECORD)
    if record.backbone != backbone:
        problem = f"the stack in {folder} was trained on the backbone {record.backbone!r}, not {backbone!r}"
        raise WeightsError(problem, f"train it on {backbone!r}, or choose --backbone {record.backbone}")
    if revision is not None and record.revision != revision:
        problem = f"the stack in {folder} was trained on {backbone} {record.revision}, this is {revision}"
        raise WeightsError(problem, "train it again on this revision")
    return record


def refuse_pickles(folder: Path) -> None:
    """Raise WeightsError for any file below `folder` whose kind can run code when it is loaded."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLES:
            raise WeightsError(f"{path} may be a pickle, which can run code", f"save it as safetensors: {TENSORS}")


def read_record(path: Path) -> StackRecord:
    """A `stack.json`. Raises WeightsError."""
    try:
        return StackRecord.model_validate(_json(path))
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors()[0]["loc"]) or "content"
        raise WeightsError(f"{path} does not state its {key}", "train the stack again") from error


def _check_config(path: Path) -> None:
    config = _json(path)
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise WeightsError(f"{path} is not the configuration of a LoRA", "save the stack with PEFT's save_pretrained")
    # PEFT imports whatever module this key's companion names.
    if config.get("megatron_config") is not None:
        raise WeightsError(f"{path} asks to import further code (megatron_config)", "remove that key")
    patterns = config.get("rank_pattern") or {}
    ranks = [config.get("r"), *(patterns.values() if isinstance(patterns, dict) else [None])]
    if any(not isinstance(rank, int) or not 1 <= rank <= MAX_RANK for rank in ranks):
        raise WeightsError(f"{path} has a rank that is not a number from 1 to {MAX_RANK}", "train the stack again")


def _check_tensors(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as tensors:
            empty = not list(tensors.keys())
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is damaged or not safetensors ({error})", "copy or train the stack again"
        ) from error
    if empty:
        raise WeightsError(f"{path} holds no tensors", "copy or train the stack again")


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise WeightsError(f"{path} is larger than {MAX_JSON_BYTES // 1024} KiB", "copy the stack again")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path} is not JSON ({error})", "copy or train the stack again") from error
