"""A task as one ZIP file: packing, and unpacking what strangers packed.

An archive is refused whole for anything that a task has no use for or that could hurt: code, links, paths that lead
out, encryption, two entries of one name, more bytes than promised. Not covered here: whether it is a good task.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from adapters.manifest import MANIFEST
from adapters.transfer import MAX_FILES, check_kind, task_files
from conlora_agent.core.errors import BadInput, ManifestError, StorageError

MAX_UNPACKED = 4 * 1024**3
MAX_RATIO = 200
"""How much smaller than itself a file may be packed, above FREE_BYTES; text rarely reaches 20."""
FREE_BYTES = 1024**2
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The same task makes the same archive, whenever it is packed."""
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError)


def pack(folder: Path, archive: Path) -> Path:
    """Write the task in `folder` to the new file `archive`, without its code.

    Raises BadInput when it exists, or its folder does not.
    """
    if archive.exists():
        raise BadInput(f"{archive} exists already", "name a file that does not exist yet: --to FILE")
    if not archive.absolute().parent.is_dir():
        raise BadInput(f"there is no folder {archive.parent}", "make it first, or choose another --to")
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=archive.parent) as staged:
            work = Path(staged) / "task.zip"
            with zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED) as out:
                for path in task_files(folder):
                    info = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", EPOCH)
                    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | 0o644) << 16
                    with path.open("rb") as source, out.open(info, "w", force_zip64=True) as target:
                        shutil.copyfileobj(source, target)
            os.replace(work, archive)
    except OSError as error:
        raise StorageError(f"{archive} cannot be written ({error.strerror})", "choose another --to") from error
    return archive


def unpack(archive: Path, target: Path) -> Path:
    """Unpack a task into the new folder `target`; returns the task's folder in it. Raises ManifestError."""
    with _opened(archive) as packed:
        entries = list(_entries(packed, archive))
        _check_sizes(entries, archive)
        target.mkdir(parents=True)
        for entry in entries:
            path = target / entry.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(entry) as source, path.open("wb") as out:
                shutil.copyfileobj(source, out)
    return _root(target, archive)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as packed:
            yield packed
    except DAMAGE as error:
        raise ManifestError(f"{archive} is not a ZIP archive, or is damaged ({error})", "pack it again") from error
    except OSError as error:
        raise ManifestError(
            f"{archive} cannot be unpacked ({error.strerror})", "check the file and the disk"
        ) from error


def _entries(packed: zipfile.ZipFile, archive: Path) -> Iterator[zipfile.ZipInfo]:
    """The files of an archive, hidden ones left out. Raises ManifestError for the first that is refused."""
    seen: set[str] = set()
    for entry in packed.infolist():
        path = PurePosixPath(entry.filename)
        where = f"{archive} holds {entry.filename!r}"
        if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or ":" in entry.filename:
            raise ManifestError(f"{where}, a path that leads out of it", "pack the task folder itself")
        if entry.is_dir() or any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
            continue
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ManifestError(f"{where}, a link or special file", "pack plain files only")
        if entry.flag_bits & 1:
            raise ManifestError(f"{where}, which is encrypted", "pack it without a password")
        if entry.filename.lower() in seen:
            raise ManifestError(f"{where} twice", "pack it again")
        check_kind(Path(entry.filename), where)
        seen.add(entry.filename.lower())
        yield entry


def _check_sizes(entries: list[zipfile.ZipInfo], archive: Path) -> None:
    """Against archives that unpack to more than they should: by count, by sum, by ratio, by overlap."""
    if len(entries) > MAX_FILES:
        raise ManifestError(f"{archive} holds more than {MAX_FILES} files", "is this a task?")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise ManifestError(f"{archive} unpacks to more than {MAX_UNPACKED // 1024**3} GiB", "is this a task?")
    overlap = sum(entry.compress_size for entry in entries) > archive.stat().st_size
    if overlap or any(e.file_size > FREE_BYTES and e.file_size > MAX_RATIO * e.compress_size for e in entries):
        raise ManifestError(f"{archive} unpacks to far more than it holds", "is this a task?")


def _root(target: Path, archive: Path) -> Path:
    """The folder with the manifest: the archive's top, or the only folder there."""
    inside = list(target.iterdir())
    for folder in (target, *inside[:1]):
        if (folder / MANIFEST).is_file() and (folder == target or len(inside) == 1):
            return folder
    raise ManifestError(f"{archive} holds no {MANIFEST}", "pack one task folder")
