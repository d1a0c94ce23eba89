"""Tasks as ZIP files: packed and added again unchanged; whatever could hurt is refused and leaves nothing behind."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import archive as archives
from adapters.archive import pack, unpack
from adapters.registry import TaskRegistry
from conlora_agent.core.errors import BadInput, ConloraError, ManifestError
from tests.task_folders import write_stack, write_task

NANO = '[backbones.nano]\nweights = "nano"\n'


@pytest.fixture
def registry(tmp_path: Path) -> TaskRegistry:
    return TaskRegistry(tmp_path / "home" / "tasks")


def zipped(tmp_path: Path, *more: tuple[str | zipfile.ZipInfo, bytes], top: str = "") -> Path:
    """An archive of a good task and whatever else."""
    folder = write_task(tmp_path / "work")
    path = tmp_path / "task.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for file in folder.iterdir():
            out.write(file, top + file.name)
        for name, data in more:
            out.writestr(name, data)
    return path


def refused(registry: TaskRegistry, archive: Path) -> str:
    with pytest.raises(ConloraError) as caught:
        registry.add(archive)
    assert caught.value.exit_code == 2
    assert "leaves" not in registry.names()
    assert not registry.user_dir.exists() or list(registry.user_dir.iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_task_packed_removed_and_added_again_is_the_same(registry: TaskRegistry, tmp_path: Path) -> None:
    folder = write_task(tmp_path, more=NANO)
    write_stack(folder / "nano")
    (folder / "LICENSE").write_text("free")
    added = registry.add(folder).folder
    before = contents(added)
    first, second = pack(added, tmp_path / "a.zip"), pack(added, tmp_path / "b.zip")
    assert first.read_bytes() == second.read_bytes()
    registry.remove("leaves")
    assert contents(registry.add(first).folder) == before
    assert registry.check("leaves") == []


def test_no_folder_is_made_for_an_archive(registry: TaskRegistry, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no folder .*new; make it first, or choose another --to"):
        pack(registry.get("ocr").folder, tmp_path / "new" / "ocr.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_built_in_task_is_packed_without_its_code(registry: TaskRegistry, tmp_path: Path) -> None:
    with zipfile.ZipFile(pack(registry.get("ocr").folder, tmp_path / "ocr.zip")) as packed:
        names = packed.namelist()
    assert "ocr/task.toml" in names
    assert "ocr/nano/adapter_model.safetensors" in names
    assert not [name for name in names if name.endswith(".py")]


def test_packing_overwrites_nothing(registry: TaskRegistry, tmp_path: Path) -> None:
    (tmp_path / "ocr.zip").write_text("mine")
    with pytest.raises(BadInput, match="exists already"):
        pack(registry.get("ocr").folder, tmp_path / "ocr.zip")
    assert (tmp_path / "ocr.zip").read_text() == "mine"


@pytest.mark.parametrize("top", ["", "leaves/", "Leaves of mine/"])
def test_the_task_may_lie_at_the_top_or_in_one_folder(registry: TaskRegistry, tmp_path: Path, top: str) -> None:
    hidden = [("__MACOSX/._task.toml", b"junk"), (f"{top}.DS_Store", b"junk")]
    assert registry.add(zipped(tmp_path, *hidden, top=top)).name == "leaves"
    assert sorted(contents(registry.get("leaves").folder)) == ["examples.jsonl", "task.toml"]


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("notes.md")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("data.py", "code, which an added task must not carry"),
        ("DATA.PY", "code, which an added task must not carry"),
        ("nano/weights.bin", "may be a pickle"),
        ("run.sh", "no part of a task"),
        ("more.zip", "no part of a task"),
        ("../out.md", "a path that leads out"),
        ("/etc/out.md", "a path that leads out"),
        ("C:/out.md", "a path that leads out"),
        ("a\\..\\..\\out.md", "a path that leads out"),
        ("task.TOML", "twice"),
        (link(), "a link or special file"),
    ],
)
def test_what_could_hurt_is_refused(
    registry: TaskRegistry, tmp_path: Path, name: str | zipfile.ZipInfo, says: str
) -> None:
    assert says in refused(registry, zipped(tmp_path, (name, b"/etc/passwd")))
    assert not (tmp_path / "out.md").exists()


def test_a_bomb_is_refused_by_its_ratio_its_sum_and_its_count(
    registry: TaskRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = zipped(tmp_path, ("bomb.txt", bytes(8 * 1024**2)))
    assert "far more than it holds" in refused(registry, bomb)
    monkeypatch.setattr(archives, "MAX_UNPACKED", 1024)
    assert "unpacks to more than" in refused(registry, bomb)
    many = tmp_path / "many.zip"
    with zipfile.ZipFile(many, "w") as out:
        for number in range(archives.MAX_FILES + 1):
            out.writestr(f"{number}.md", "")
    assert "holds more than 500 files" in refused(registry, many)


def test_an_entry_that_lies_about_its_size_is_refused(registry: TaskRegistry, tmp_path: Path) -> None:
    """The promised size is what is checked, so more than that must never come out."""
    path = zipped(tmp_path, ("notes.md", b"x" * 5000))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    assert data[at + 46 : at + 54] == b"notes.md"
    struct.pack_into("<I", data, at + 24, 10)
    path.write_bytes(data)
    assert "is damaged" in refused(registry, path)


def test_an_encrypted_entry_is_refused(registry: TaskRegistry, tmp_path: Path) -> None:
    path = zipped(tmp_path, ("notes.md", b"secret"))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    assert "encrypted" in refused(registry, path)


def test_an_archive_without_a_task_is_refused(registry: TaskRegistry, tmp_path: Path) -> None:
    path = tmp_path / "empty.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("a/README.md", "")
        out.writestr("b/README.md", "")
    assert "holds no task.toml" in refused(registry, path)


@given(data=st.data())
def test_a_damaged_archive_is_one_line_or_the_task_itself(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    tmp_path = tmp_path_factory.mktemp("damaged")
    whole = bytearray(zipped(tmp_path).read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    (tmp_path / "bad.zip").write_bytes(whole[: data.draw(st.sampled_from([len(whole), at, len(whole) - 7]))])
    try:
        folder = unpack(tmp_path / "bad.zip", tmp_path / "out")
    except ManifestError as error:
        assert "\n" not in str(error)
    else:
        assert (folder / "task.toml").is_file()
    assert {path.name for path in tmp_path.iterdir()} <= {"work", "task.zip", "bad.zip", "out"}


def test_bytes_that_are_no_archive_are_refused(registry: TaskRegistry, tmp_path: Path) -> None:
    for data in (b"", b"PK\x03\x04", io.BytesIO(b"no zip").getvalue()):
        (tmp_path / "x.zip").write_bytes(data)
        assert "is not a ZIP archive" in refused(registry, tmp_path / "x.zip")
