"""The registry: built-in tasks and the user's own, live changes, and what may not be added."""

from __future__ import annotations

import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.registry import TaskRegistry
from conlora_agent.core.errors import BadInput, ConloraError, ManifestError, StorageError, UnknownName, WeightsError
from tests.task_folders import MANIFEST, write_stack, write_task

BUILTIN = ("arguments", "caption", "chart", "grounding", "ocr", "routing", "vqa")
NANO = '[backbones.nano]\nweights = "nano"\n'


@pytest.fixture
def user_dir(tmp_path: Path) -> Path:
    return tmp_path / "home" / "tasks"


@pytest.fixture
def registry(user_dir: Path) -> TaskRegistry:
    return TaskRegistry(user_dir, reserved=["calculator"])


def refused(registry: TaskRegistry, folder: Path) -> str:
    """The line with which `add` refuses a folder; nothing of it may be left behind."""
    before = registry.names()
    with pytest.raises(ConloraError) as caught:
        registry.add(folder)
    assert registry.names() == before
    assert not registry.user_dir.exists() or list(registry.user_dir.iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- built-in tasks ---------------------------------------------------------------------------------------------------


def test_the_built_in_tasks_load_without_a_home(registry: TaskRegistry, user_dir: Path) -> None:
    assert registry.names() == BUILTIN
    assert not user_dir.exists()
    assert registry.problems() == {}


@pytest.mark.parametrize("name", sorted(set(BUILTIN) - {"arguments", "routing"}))
def test_a_built_in_task_is_complete(registry: TaskRegistry, name: str) -> None:
    task = registry.get(name)
    assert task.builtin
    assert len(task.examples) >= 60
    assert {e.has_image for e in task.examples} == {True, False}
    assert any(e.previous for e in task.examples)
    route = task.route()
    assert (route.name, route.kind, route.needs_image) == (name, "task", True)
    assert task.manifest.output == ("boxes" if name == "grounding" else "text")


def test_the_built_in_tasks_share_no_example(registry: TaskRegistry) -> None:
    for task in registry.all():
        own = {(e.text.lower(), e.has_image, e.previous) for e in task.examples}
        for other in registry.all():
            theirs = {(e.text.lower(), e.has_image, e.previous) for e in other.examples}
            assert other is task or not own & theirs


def test_no_example_is_listed_twice(registry: TaskRegistry) -> None:
    for task in registry.all():
        keys = [(e.text.lower(), e.has_image, e.previous) for e in task.examples]
        assert len(keys) == len(set(keys))


# -- adding, seeing, removing -----------------------------------------------------------------------------------------


def test_an_added_task_is_seen_at_once_by_another_registry(registry: TaskRegistry, tmp_path: Path) -> None:
    other = TaskRegistry(registry.user_dir)
    assert "leaves" not in other.names()
    task = registry.add(write_task(tmp_path))
    assert (task.folder, task.builtin) == (registry.user_dir / "leaves", False)
    assert other.names() == (*BUILTIN, "leaves")
    assert other.routes()[-1].name == "leaves"
    other.remove("leaves")
    assert registry.names() == BUILTIN
    assert list(registry.user_dir.iterdir()) == []


def test_a_change_on_disk_is_seen_and_an_unchanged_task_is_not_read_again(
    registry: TaskRegistry, tmp_path: Path
) -> None:
    registry.add(write_task(tmp_path))
    first = registry.get("leaves")
    assert registry.get("leaves") is first
    manifest = registry.user_dir / "leaves" / "task.toml"
    manifest.write_text(manifest.read_text().replace("Count leaves", "Count twigs"))
    assert registry.get("leaves").manifest.title == "Count twigs"


def test_a_folder_with_any_name_is_added_under_the_name_in_its_manifest(registry: TaskRegistry, tmp_path: Path) -> None:
    folder = write_task(tmp_path).rename(tmp_path / "My Folder")
    assert registry.add(folder).name == "leaves"


def test_a_task_with_a_stack_is_added_with_it(registry: TaskRegistry, tmp_path: Path) -> None:
    folder = write_task(tmp_path, more=NANO)
    write_stack(folder / "nano")
    (folder / ".git").mkdir()
    (folder / ".git" / "config.py").write_text("")
    (folder / "LICENSE").write_text("free")
    task = registry.add(folder)
    assert task.weights("nano") == registry.user_dir / "leaves" / "nano"
    assert not (task.folder / ".git").exists()
    shutil.rmtree(folder)
    assert registry.check("leaves") == []


def test_an_unroutable_task_is_a_task_but_no_route(registry: TaskRegistry, tmp_path: Path) -> None:
    registry.add(write_task(tmp_path, manifest="routable = false\n" + MANIFEST.format(name="leaves")))
    assert "leaves" in registry.names()
    assert "leaves" not in [route.name for route in registry.routes()]


def test_a_task_that_is_switched_off_is_no_route_and_stays_so(registry: TaskRegistry, user_dir: Path) -> None:
    registry.switch("caption", on=False)
    registry.switch("vqa", on=False)
    registry.switch("vqa", on=True)
    other = TaskRegistry(user_dir)
    assert other.off() == {"caption"}
    assert {route.name for route in other.routes()} == set(BUILTIN) - {"arguments", "caption", "routing"}
    assert other.get("caption").name == "caption"
    with pytest.raises(UnknownName):
        registry.switch("captions", on=False)


def test_unknown_names_suggest_the_nearest(registry: TaskRegistry) -> None:
    with pytest.raises(UnknownName, match="did you mean 'grounding'"):
        registry.get("groundig")
    with pytest.raises(UnknownName):
        registry.remove("nothing")
    with pytest.raises(BadInput, match="'ocr' is a built-in task"):
        registry.remove("ocr")
    assert registry.get("ocr").builtin


@pytest.mark.parametrize("name", ["../ocr", "", ".", "..", "/etc", "a/b", ".hidden"])
def test_names_that_are_paths_are_unknown(registry: TaskRegistry, tmp_path: Path, name: str) -> None:
    registry.add(write_task(tmp_path))
    for use in (registry.get, registry.remove, registry.check):
        with pytest.raises(UnknownName):
            use(name)
    assert "leaves" in registry.names()


def test_of_many_who_add_one_name_one_wins_and_nothing_is_mixed(user_dir: Path, tmp_path: Path) -> None:
    folders = [write_task(tmp_path / str(i), examples=8 + i) for i in range(6)]

    def add(folder: Path) -> int | None:
        try:
            return len(TaskRegistry(user_dir).add(folder).examples)
        except (ManifestError, StorageError):
            return None

    with ThreadPoolExecutor(6) as pool:
        won = [count for count in pool.map(add, folders) if count]
    assert won == [len(TaskRegistry(user_dir).get("leaves").examples)]
    assert [path.name for path in user_dir.iterdir()] == ["leaves"]


def test_a_home_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        TaskRegistry(tmp_path / "file" / "tasks").add(write_task(tmp_path))


# -- what is refused --------------------------------------------------------------------------------------------------


def test_a_taken_name_names_its_owner_and_the_remedy(registry: TaskRegistry, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"'ocr' exists already \(built-in\); choose another name"):
        registry.add(write_task(tmp_path, "ocr"))
    with pytest.raises(ManifestError, match="'calculator' is the name of another route"):
        registry.add(write_task(tmp_path, "calculator"))
    registry.add(write_task(tmp_path))
    with pytest.raises(ManifestError, match=r"\(one of yours\); first run: conlora tasks remove leaves"):
        registry.add(tmp_path / "leaves")


def test_a_missing_folder_and_a_file_are_refused(registry: TaskRegistry, tmp_path: Path) -> None:
    assert "there is no folder or file" in refused(registry, tmp_path / "nowhere")
    (tmp_path / "task.zip").write_bytes(b"PK")
    assert "is not a ZIP archive" in refused(registry, tmp_path / "task.zip")


@pytest.mark.parametrize(
    "name", ["more.py", "nano/adapter.py", "nano/data.py", "hook.so", "run.sh", "archive.zip", "notes"]
)
def test_code_and_strangers_are_refused(registry: TaskRegistry, tmp_path: Path, name: str) -> None:
    folder = write_task(tmp_path)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("import os")
    assert Path(name).name in refused(registry, folder)


def test_the_code_that_draws_a_users_own_data_stays_behind(registry: TaskRegistry, tmp_path: Path) -> None:
    folder = write_task(tmp_path)
    (folder / "data.py").write_text("raise SystemExit")
    assert not (registry.add(folder).folder / "data.py").exists()


def test_a_pickle_is_refused(registry: TaskRegistry, tmp_path: Path) -> None:
    folder = write_task(tmp_path, more=NANO)
    write_stack(folder / "nano")
    (folder / "nano" / "adapter_model.bin").write_bytes(pickle.dumps([]))
    assert "may be a pickle" in refused(registry, folder)


def test_missing_or_damaged_weights_are_refused(registry: TaskRegistry, tmp_path: Path) -> None:
    folder = write_task(tmp_path, more=NANO)
    assert "is missing" in refused(registry, folder)
    write_stack(folder / "nano", backbone="large")
    assert "trained on the backbone 'large'" in refused(registry, folder)


def test_links_that_lead_out_are_refused(registry: TaskRegistry, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    for target in (tmp_path / "secret.txt", Path("../secret.txt"), tmp_path / "nothing", Path("loop.md"), tmp_path):
        folder = write_task(tmp_path)
        (folder / "loop.md").symlink_to(target)
        assert "link" in refused(registry, folder)
        shutil.rmtree(folder)


def test_a_link_inside_the_folder_becomes_a_file(registry: TaskRegistry, tmp_path: Path) -> None:
    folder = write_task(tmp_path)
    (folder / "README.md").write_text("hello")
    (folder / "NOTES.md").symlink_to("README.md")
    copy = registry.add(folder).folder / "NOTES.md"
    assert copy.read_text() == "hello"
    assert not copy.is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_special_files_are_refused_without_being_opened(registry: TaskRegistry, tmp_path: Path) -> None:
    folder = write_task(tmp_path)
    os.mkfifo(folder / "notes.md")
    assert "is not a plain file" in refused(registry, folder)


# -- a broken folder that is there already ----------------------------------------------------------------------------


def test_a_broken_folder_is_left_out_named_and_can_be_removed(
    registry: TaskRegistry, user_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_task(user_dir, examples=3)
    write_task(user_dir, "buds")
    write_task(user_dir, "ocr", examples=20)
    write_task(user_dir, "twigs").rename(user_dir / "renamed")
    assert registry.names() == (*BUILTIN, "buds")
    assert registry.get("ocr").builtin
    assert set(registry.problems()) == {"leaves", "ocr", "renamed"}
    assert "has 3 routing examples" in caplog.text
    with pytest.raises(ManifestError, match="has 3 routing examples"):
        registry.get("leaves")
    assert "has 3 routing examples" in registry.check("leaves")[0]
    registry.remove("leaves")
    registry.remove("ocr")
    assert (set(registry.problems()), registry.get("ocr").builtin) == ({"renamed"}, True)


def test_check_names_weights(registry: TaskRegistry, tmp_path: Path) -> None:
    folder = write_task(tmp_path, more=NANO)
    write_stack(folder / "nano")
    registry.add(folder)
    assert registry.check("leaves") == []
    (registry.user_dir / "leaves" / "nano" / "stack.json").unlink()
    assert "has no stack.json" in registry.check("leaves")[0]
    with pytest.raises(WeightsError):
        registry.get("leaves").weights("nano")


# -- scaffold ---------------------------------------------------------------------------------------------------------


def test_a_scaffold_plus_eight_examples_adds_unchanged(registry: TaskRegistry, tmp_path: Path) -> None:
    folder = registry.new("plant_health", tmp_path / "work" / "plants")
    assert sorted(path.name for path in folder.iterdir()) == ["DATASET.md", "examples.jsonl", "task.toml"]
    assert "has 0 routing examples, at least 8" in refused(registry, folder)
    (folder / "examples.jsonl").write_text("".join(f'{{"text": "is plant {i} ill?"}}\n' for i in range(8)))
    task = registry.add(folder)
    assert (task.name, task.manifest.title, task.manifest.backbones) == ("plant_health", "Plant health", {})
    assert task.prompt("is it ill?") == "is it ill?"
    assert registry.check("plant_health") == []


def test_a_scaffold_goes_into_the_current_folder_by_default(
    registry: TaskRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert registry.new("leaves").resolve() == tmp_path / "leaves"


@pytest.mark.parametrize("name", ["ocr", "calculator", "chat", "Two Words", "../up", 'x"\nname = "y', ""])
def test_a_scaffold_with_a_bad_name_is_refused(registry: TaskRegistry, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        registry.new(name, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_scaffold_overwrites_nothing(registry: TaskRegistry, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(BadInput, match="exists already"):
        registry.new("leaves", tmp_path / "there")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        registry.new("leaves", tmp_path / "file" / "below")
