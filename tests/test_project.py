"""The project's own files agree with one another: packaging, constraints, Makefile, README."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ROOMS = ("conlora_agent", "adapters", "router", "tools", "apps", "evals", "tests")


def constraints() -> dict[str, Version]:
    lines = (line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, version in (line.split("==") for line in lines)}


def test_every_dependency_is_pinned_to_a_version_it_allows() -> None:
    pinned = constraints()
    extras = PROJECT["optional-dependencies"]
    wanted = [Requirement(line) for line in PROJECT["dependencies"] + extras["dev"] + extras["train"]]
    for requirement in wanted:
        if requirement.name != PROJECT["name"]:
            assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, requirement


ELSEWHERE = {"semantic_router", "matplotlib"}
"""Imported only by evals/semantic_router_worker.py, which runs in an environment of its own, and by
evals/make_plots.py, which was run once."""


def imported_packages() -> dict[str, Path]:
    """Top-level names that our packages import from third parties, each with one file that does."""
    found: dict[str, Path] = {}
    for path in (path for room in ROOMS[:-1] for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            found.update({name.split(".")[0]: path for name in names})
    return {name: path for name, path in found.items() if name not in {*sys.stdlib_module_names, *ROOMS, *ELSEWHERE}}


def test_every_import_is_a_declared_dependency() -> None:
    lines = PROJECT["dependencies"] + [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    owners = importlib.metadata.packages_distributions()
    for name, path in imported_packages().items():
        assert declared & {canonicalize_name(owner) for owner in owners[name]}, f"{path} imports {name}"


def test_constraints_fit_every_machine() -> None:
    assert not [version for version in constraints().values() if version.local]
    assert PROJECT["name"] not in constraints()


def test_the_models_in_packages_are_pinned() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (packages,) = re.findall(r"^MODEL_PACKAGES := (.*)$", makefile, re.MULTILINE)
    assert set(packages.split()) <= set(constraints())


def test_the_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        named = set(re.findall(r"(?:^|`)make ((?:[a-z-]+ ?)+)", (ROOT / name).read_text(), re.MULTILINE))
        assert named, name
        assert {target for words in named for target in words.split()} <= targets


def test_the_tree_in_the_readme_is_true() -> None:
    readme = (ROOT / "README.md").read_text()
    tree = readme.split("## Where is what")[1].split("```")[1]
    room = ""
    for line in tree.strip().splitlines():
        names = re.match(r" *((?:[\w.]+/?(?:[\w.]+/?)* )+)", line)
        assert names, line
        if not line.startswith(" "):
            room = names[1].split()[0]
        for name in names[1].split():
            assert (ROOT / (name if not line.startswith(" ") else room + name)).exists(), line
    rooms = {line.split("/")[0] for line in tree.splitlines() if line[:1].isalpha()}
    assert rooms == {*ROOMS, "docs", "examples"}


def test_make_help_lists_the_first_things_to_do() -> None:
    text = subprocess.check_output(["make", "--no-print-directory", "help"], cwd=ROOT, text=True)
    for target in ("install", "chat", "demo", "test", "check"):
        assert f"make {target} " in text


@pytest.mark.parametrize("path", [".ci/run"])
def test_scripts_can_be_run(path: str) -> None:
    assert (ROOT / path).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", path], cwd=ROOT, check=True)
