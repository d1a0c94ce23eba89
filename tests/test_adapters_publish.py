"""A new stack in a task folder: old or new, never a half, and the manifest keeps what its author wrote."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors import SafetensorError

from adapters.manifest import read_manifest
from adapters.publish import publish_stack
from adapters.task import load_task
from conlora_agent.core.errors import ManifestError, StorageError, WeightsError
from tests.task_folders import write_stack, write_task

COMMENTED = '\n# my own remark\n[training]\nrank = 4\n\n[backbones.large]\nhub = "owner/leaves"\n'


def stack(revision: str = "r1", **config: object) -> object:
    def write(folder: Path) -> None:
        shutil.rmtree(folder)
        write_stack(folder, revision=revision, **config)

    return write


def test_the_manifest_points_to_the_new_stack_and_keeps_everything_else(tmp_path: Path) -> None:
    folder = write_task(tmp_path, more=COMMENTED)
    weights = publish_stack(folder, "nano", stack())  # type: ignore[arg-type]
    assert load_task(folder).weights("nano") == weights
    manifest = read_manifest(folder)
    assert manifest.backbones["large"].hub == "owner/leaves"
    assert manifest.training.rank == 4
    assert "# my own remark" in (folder / "task.toml").read_text()


def test_the_stack_before_is_removed(tmp_path: Path) -> None:
    folder = write_task(tmp_path, more='[backbones.nano]\nweights = "mine"\n')
    write_stack(folder / "mine")
    weights = publish_stack(folder, "nano", stack())  # type: ignore[arg-type]
    assert [path for path in folder.iterdir() if path.is_dir()] == [weights]
    assert publish_stack(folder, "nano", stack("r2")) == weights  # type: ignore[arg-type]
    assert '"r2"' in (weights / "stack.json").read_text()


def half(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{")


def full(folder: Path) -> None:
    raise OSError(28, "No space left on device")


def full_for_weights(folder: Path) -> None:
    raise SafetensorError("I/O error: No space left on device")


@pytest.mark.parametrize(
    ("write", "error"), [(half, WeightsError), (full, StorageError), (full_for_weights, StorageError)]
)
def test_what_is_no_stack_changes_nothing(tmp_path: Path, write: object, error: type[Exception]) -> None:
    folder = write_task(tmp_path, more='[backbones.nano]\nweights = "mine"\n')
    write_stack(folder / "mine")
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    with pytest.raises(error):
        publish_stack(folder, "nano", write)  # type: ignore[arg-type]
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    assert load_task(folder).weights("nano") == folder / "mine"


def test_a_folder_that_is_no_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no task\.toml"):
        publish_stack(tmp_path, "nano", full)
