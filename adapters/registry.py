"""All tasks there are: the built-in ones beside this file and the user's own, through the same loading path.

What is on disk is looked at on every call, so a task that another process adds takes effect at once; a folder that did
not change is not read again. Writes are atomic: a task folder is there whole or not at all.
Not covered here: what routes clash with (`reserved` is given from above) and training a task's stack.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from adapters.manifest import MANIFEST
from adapters.scaffold import write_scaffold
from adapters.sources import task_folder
from adapters.task import EXAMPLES, Task, load_task
from adapters.transfer import copy_task
from conlora_agent.core.errors import BadInput, ConloraError, ManifestError, StorageError, UnknownName, reason
from conlora_agent.core.types import Route

log = logging.getLogger(__name__)

OFF = ".off"
"""File beside the user's tasks: names of the tasks that are switched off, one a line."""
BUILTIN = Path(__file__).parent

Stamp = tuple[tuple[int, int, int] | None, ...]


class TaskRegistry:
    """Finds, adds and removes tasks. Safe to call from several threads and processes."""

    def __init__(
        self, user_dir: Path, *, builtin_dir: Path = BUILTIN, reserved: Iterable[str] = (), offline: bool = False
    ) -> None:
        """`reserved`: names of other routes, which no task may take. `offline`: never fetch a stack from the hub."""
        self.user_dir = user_dir
        self._builtin_dir = builtin_dir
        self._reserved = frozenset(reserved)
        self._offline = offline
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[Stamp, Task | ManifestError]] = {}

    # -- looking ------------------------------------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """Names of the tasks that can be used: built-in ones first, each group in alphabetical order."""
        return tuple(task.name for task in self.all())

    def all(self) -> tuple[Task, ...]:
        """The tasks that can be used. Folders that break the contract are left out, see `problems`."""
        return tuple(found for found in self._scan().values() if isinstance(found, Task))

    def problems(self) -> dict[str, ManifestError]:
        """What is wrong with the folders that cannot be used, by folder name."""
        return {folder.name: found for folder, found in self._scan().items() if isinstance(found, ManifestError)}

    def routes(self) -> list[Route]:
        """The routable tasks as routes, without those that were switched off."""
        off = self.off()
        return [task.route() for task in self.all() if task.manifest.routable and task.name not in off]

    def builtin_routes(self) -> list[Route]:
        """The routable tasks that every installation has, switched off or not."""
        return [task.route() for task in self.all() if task.manifest.routable and task.builtin]

    def off(self) -> frozenset[str]:
        """Names of the tasks that were switched off: they run only when they are asked for by name."""
        try:
            return frozenset((self.user_dir / OFF).read_text(encoding="utf-8").split())
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot read {self.user_dir / OFF} ({reason(error)})", "remove that file") from error

    def get(self, name: str) -> Task:
        """The task of this name. Raises UnknownName, or the ManifestError of its broken folder."""
        found = {folder.name: found for folder, found in reversed(self._scan().items())}.get(name)
        if isinstance(found, ManifestError):
            raise found
        if found is None:
            raise UnknownName.among("task", name, self.names())
        return found

    def check(self, name: str) -> list[str]:
        """What is wrong with a task, one line each: its folder, its stacks. Raises UnknownName."""
        try:
            return self.problems_of(self.get(name))
        except ManifestError as error:
            return [str(error)]

    @staticmethod
    def problems_of(task: Task) -> list[str]:
        """What is wrong with the stacks of a task, which need not be added yet."""
        problems = []
        for backbone in task.manifest.backbones:
            try:
                task.weights(backbone)
            except ConloraError as error:
                problems.append(str(error))
        return problems

    # -- changing -----------------------------------------------------------------------------------------------------

    def new(self, name: str, folder: Path | None = None) -> Path:
        """Write the scaffold of a prompt-only task; it can be added once eight examples are in. Returns its folder.

        `folder` is the folder to make, by default one called `name` in the current folder. Raises BadInput.
        """
        self._refuse_taken(name)
        return write_scaffold(name, Path(name) if folder is None else folder)

    def add(self, source: Path | str) -> Task:
        """Copy a task to the user's tasks; it takes effect at once, here and in other processes.

        `source`: a folder, a ZIP file or a hub id, see sources.py. Raises ManifestError or WeightsError for a task that
        breaks the contract, and for names already taken.
        """
        with task_folder(str(source), offline=self._offline) as folder:
            return self._add(folder.resolve())

    def _add(self, folder: Path) -> Task:
        task = load_task(folder)
        name = task.name
        self._refuse_taken(name)
        _check_own_stacks(task)  # here an error still names the folder that the user knows
        with self._staging() as staged:
            work = Path(staged) / name
            copy_task(folder, work)
            _check_own_stacks(load_task(work))
            try:
                os.replace(work, self.user_dir / name)
            except OSError as error:
                raise StorageError(f"the task {name!r} cannot be stored ({error.strerror})", "try again") from error
        return self.get(name)

    def switch(self, name: str, *, on: bool) -> None:
        """Let the router choose a task, or not; kept over restarts, and seen at once by other processes.

        Raises UnknownName, StorageError.
        """
        self.get(name)
        self._switch(name, on=on)

    def remove(self, name: str) -> None:
        """Delete one of the user's tasks, a broken one too. Raises UnknownName, or BadInput for a built-in task."""
        folder = self.user_dir / name
        if folder not in self._scan():
            self.get(name)
            raise BadInput(f"{name!r} is a built-in task and stays", "remove only tasks that you added")
        with self._staging() as staged:
            try:
                os.replace(folder, Path(staged) / name)
            except OSError as error:
                raise StorageError(f"the task {name!r} cannot be removed ({error.strerror})", "try again") from error
        self._switch(name, on=True)

    def _switch(self, name: str, *, on: bool) -> None:
        with self._lock:
            off = self.off()
            if (name not in off) == on:
                return
            with self._staging() as staged:
                try:
                    (Path(staged) / OFF).write_text("\n".join(sorted(off ^ {name})), encoding="utf-8")
                    os.replace(Path(staged) / OFF, self.user_dir / OFF)
                except OSError as error:
                    raise StorageError(
                        f"{self.user_dir / OFF} cannot be written ({reason(error)})", "try again"
                    ) from error

    def _refuse_taken(self, name: str) -> None:
        if name in self._reserved:
            raise ManifestError(f"{name!r} is the name of another route", "choose another name")
        for folder in self._scan():
            if folder.name == name:
                owner = "built-in" if folder.parent == self._builtin_dir else "one of yours"
                remedy = "choose another name" if owner == "built-in" else f"first run: conlora tasks remove {name}"
                raise ManifestError(f"a task named {name!r} exists already ({owner})", remedy)

    def _staging(self) -> tempfile.TemporaryDirectory[str]:
        """A hidden folder beside the tasks, on the same file system; gone when left, with whatever is in it."""
        try:
            self.user_dir.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryDirectory(prefix=".", dir=self.user_dir)
        except OSError as error:
            raise StorageError(f"{self.user_dir} cannot be written ({error.strerror})", "set CONLORA_HOME") from error

    # -- reading the disk ---------------------------------------------------------------------------------------------

    def _scan(self) -> dict[Path, Task | ManifestError]:
        """Every task folder with its task or what is wrong with it. Built-in ones come first and win a clash."""
        builtin, own = _task_folders(self._builtin_dir, with_manifest=True), _task_folders(self.user_dir)
        taken = {folder.name for folder in builtin} | self._reserved
        with self._lock:
            found = {folder: self._load(folder, builtin=True) for folder in builtin}
            for folder in own:
                if folder.name in taken:
                    found[folder] = ManifestError(f"the name of {folder} is taken by another route", "rename the task")
                else:
                    found[folder] = self._load(folder, builtin=False)
            self._known = {folder: self._known[folder] for folder in found if folder in self._known}
            return found

    def _load(self, folder: Path, *, builtin: bool) -> Task | ManifestError:
        stamp = _stamp(folder)
        known = self._known.get(folder)
        if known is None or known[0] != stamp:
            known = self._known[folder] = (stamp, self._read(folder, builtin=builtin))
        return known[1]

    def _read(self, folder: Path, *, builtin: bool) -> Task | ManifestError:
        try:
            task = load_task(folder, builtin=builtin, offline=self._offline)
            if task.name != folder.name:
                raise ManifestError(f"the task in {folder} is named {task.name!r}", "give folder and task one name")
        except ManifestError as error:
            log.warning("task left out: %s", error)
            return error
        return task


def _check_own_stacks(task: Task) -> None:
    """Raises WeightsError for a stack in the task's folder that is none, or is missing."""
    for backbone, source in task.manifest.backbones.items():
        if source.weights:
            task.weights(backbone)


def _task_folders(parent: Path, *, with_manifest: bool = False) -> list[Path]:
    # Every turn asks: names are compared, and no file is looked at that the folder's own list tells about.
    try:
        with os.scandir(parent) as entries:
            paths = sorted(e.path for e in entries if not e.name.startswith((".", "__")) and e.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    folders = map(_folder, paths)
    return [folder for folder in folders if not with_manifest or _watched(folder)[0].is_file()]


# Paths are kept because putting one together takes several times longer than looking at the file.
@lru_cache(maxsize=1024)
def _folder(path: str) -> Path:
    return Path(path)


@lru_cache(maxsize=1024)
def _watched(folder: Path) -> tuple[Path, ...]:
    return folder / MANIFEST, folder / EXAMPLES


def _stamp(folder: Path) -> Stamp:
    """Changes whenever manifest or examples are written."""
    return tuple(map(_file_stamp, _watched(folder)))


def _file_stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
