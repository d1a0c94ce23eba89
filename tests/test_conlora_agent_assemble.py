"""First-use assembly around its slow part: whole or not at all, once, whatever happens to the process or the disk."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from safetensors import SafetensorError

from conlora_agent.backbone.nano import assemble
from conlora_agent.backbone.nano.assemble import Progress, assembled, checksum, intact
from conlora_agent.core.errors import BackboneError


def write(folder: Path, text: str = "weights") -> None:
    """What `build` leaves: files and their checksums."""
    (folder / "model.safetensors").write_text(text)
    (folder / "checksums.json").write_text(json.dumps({"model.safetensors": checksum(folder / "model.safetensors")}))


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where a quick `build` was told to write, in order."""
    made: list[Path] = []

    def build(folder: Path, progress: Progress) -> None:
        made.append(folder)
        write(folder)

    monkeypatch.setattr(assemble, "build", build)
    monkeypatch.setattr(assemble, "revision", lambda: "0123456789ab")
    return made


def test_a_whole_model_is_taken_as_it_is(tmp_path: Path, builds: list[Path]) -> None:
    first = assembled(tmp_path)
    assert intact(first)
    assert assembled(tmp_path) == first
    assert len(builds) == 1


def test_several_that_start_at_once_build_once(tmp_path: Path, builds: list[Path]) -> None:
    ready = threading.Barrier(4)

    def start(_: int) -> Path:
        ready.wait()
        return assembled(tmp_path)

    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(start, range(4)))
    assert len(folders) == len(builds) == 1
    assert all(intact(folder) for folder in folders)


@pytest.mark.parametrize("damaged", ["model.safetensors", "checksums.json"])
@pytest.mark.parametrize("damage", [lambda file: file.write_text("w"), lambda file: file.unlink()])
def test_a_damaged_model_is_made_again(tmp_path: Path, builds: list[Path], damaged: str, damage: object) -> None:
    folder = assembled(tmp_path)
    damage(folder / damaged)  # type: ignore[operator]
    assert not intact(folder)
    assert intact(assembled(tmp_path))
    assert len(builds) == 2


def test_what_a_killed_process_left_goes_and_what_another_builds_stays(tmp_path: Path, builds: list[Path]) -> None:
    mine, theirs = tmp_path / "nano" / "build-0123456789ab-xyz", tmp_path / "nano" / "build-ba9876543210-xyz"
    for folder in (mine, theirs):
        folder.mkdir(parents=True)
        write(folder, "half of")
    assembled(tmp_path)
    assert (mine.exists(), theirs.exists()) == (False, True)


@pytest.mark.parametrize(
    "refusal", [OSError(28, "No space left on device"), SafetensorError("I/O error: No space left on device")]
)
def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, builds: list[Path], monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    def build(folder: Path, progress: Progress) -> None:
        write(folder, "half of")
        raise refusal

    with monkeypatch.context() as patch:
        patch.setattr(assemble, "build", build)
        with pytest.raises(BackboneError, match=r"No space left on device.*free some disk space"):
            assembled(tmp_path)
    assert not [path for path in (tmp_path / "nano").iterdir() if path.is_dir()]
    assert intact(assembled(tmp_path))


def test_a_cache_that_is_no_folder_is_one_line(tmp_path: Path, builds: list[Path]) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(BackboneError, match="set CONLORA_CACHE to another folder"):
        assembled(tmp_path / "cache")
