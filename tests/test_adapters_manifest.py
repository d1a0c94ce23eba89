"""Good and bad manifests: every bad one gives one line that names the file, the key and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.manifest import MAX_BYTES, parse_manifest, read_manifest
from conlora_agent.core.errors import ManifestError

GOOD = """\
name = "leaves"
title = "Count leaves"
description = "Counts the leaves of a plant."
[prompts]
picture = "Count the leaves."
"""


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_defaults() -> None:
    manifest = parse_manifest(GOOD)
    assert (manifest.needs_image, manifest.routable, manifest.output, manifest.backbones) == (True, True, "text", {})


def test_a_backbone_takes_a_folder_or_a_hub_id() -> None:
    text = GOOD + '[backbones.nano]\nweights = "nano"\n[backbones.large]\nhub = "owner/leaves-lora"\nrevision = "v1"\n'
    backbones = parse_manifest(text).backbones
    assert (backbones["nano"].weights, backbones["large"].hub) == ("nano", "owner/leaves-lora")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + 'pictur = "x"', "unknown key 'prompts.pictur'; did you mean 'picture'"),
        ("titel = 'x'\n" + GOOD, "unknown key 'titel'; did you mean 'title'"),
        ("needs_picture = true\n" + GOOD, "did you mean 'needs_image'"),
        ("zzzz = 1\n" + GOOD, "unknown key 'zzzz'; known keys here: name, title"),
        (GOOD + '[backbones.nano]\nweigths = "nano"', "unknown key 'backbones.nano.weigths'; did you mean 'weights'"),
        (changed('title = "Count leaves"\n', ""), "lacks the key 'title'"),
        (changed('[prompts]\npicture = "Count the leaves."\n', ""), "lacks the key 'prompts'"),
        ("needs_image = 'yes'\n" + GOOD, "needs_image"),
        ("output = 'picture'\n" + GOOD, "output input should be 'text', 'boxes', 'labels' or 'json'"),
        ("output = 'boxes'\nreads = true\n" + GOOD, "reads is for tasks that need an image"),
        ("output = 'boxes'\ndescribes = true\n" + GOOD, "describes is for tasks that need an image"),
        ("max_new_tokens = 0\n" + GOOD, "max_new_tokens"),
        ("max_new_tokens = true\n" + GOOD, "max_new_tokens"),
        ("max_new_tokens = 99999999999999999999999\n" + GOOD, "max_new_tokens"),
        (changed("of a plant.", "of a\\nplant."), "description"),
        (changed('"Count leaves"', '""'), "title"),
        (changed('"Count the leaves."', '"  "'), "prompts.picture must not be empty"),
        (changed('"Count the leaves."', '"Count {leaves}"'), "{request} and no other placeholder"),
        (changed('"Count the leaves."', '"Count {}"'), "{request} and no other placeholder"),
        (changed('"Count the leaves."', '"{request.__class__}"'), "{request} and no other placeholder"),
        (changed('"Count the leaves."', '"{request[0]}"'), "{request} and no other placeholder"),
        (changed('"Count the leaves."', '"{request!r}"'), "{request} and no other placeholder"),
        (changed('"Count the leaves."', '"{request:>999999999}"'), "{request} and no other placeholder"),
        (changed('"Count the leaves."', '"{request:{request}}"'), "{request} and no other placeholder"),
        (changed('"Count the leaves."', '"Count {"'), "is not a template"),
        (changed('"Count the leaves."', "'" + "x" * 3000 + "'"), "prompts.picture"),
        (GOOD + "[backbones.nano]", "needs either weights"),
        (GOOD + '[backbones.nano]\nweights = "a"\nhub = "b/c"', "needs either weights"),
        (GOOD + '[backbones.nano]\nweights = "a"\nrevision = "main"', "only together with hub"),
        (GOOD + '[backbones.nano]\nweights = "../../other"', "a path inside the task folder"),
        (GOOD + '[backbones.nano]\nweights = "/etc"', "a path inside the task folder"),
        (GOOD + '[backbones.nano]\nweights = "C:/x"', "a path inside the task folder"),
        (GOOD + '[backbones.nano]\nweights = ""', "a path inside the task folder"),
        (GOOD + '[backbones.nano]\nhub = "leaves"', "of the form owner/name"),
        (GOOD + '[backbones.nano]\nhub = "https://example.org/x"', "of the form owner/name"),
        (GOOD + '[backbones."Na no"]\nweights = "nano"', "backbones.Na no must be a lower-case letter"),
        ("name = ", "is not TOML"),
        (GOOD + GOOD, "is not TOML"),
        ("name = " + "[" * 5000, "is not TOML"),
        ("", "lacks the key 'name'"),
    ],
)
def test_a_bad_manifest_is_explained_in_one_line(text: str, says: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text)
    assert says in str(caught.value)
    assert str(caught.value).startswith("task.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "Leaves", "two words", "../up", "a/b", "9lives", "é", "x" * 41, "con.fig"])
def test_names_that_make_no_route_id(name: str) -> None:
    with pytest.raises(ManifestError, match="name must be a lower-case letter"):
        parse_manifest(changed('"leaves"', f'"{name}"'))


@pytest.mark.parametrize("name", ["chat", "clarify", "auto", "base"])
def test_reserved_names(name: str) -> None:
    with pytest.raises(ManifestError, match="reserved names"):
        parse_manifest(changed('"leaves"', f'"{name}"'))


@given(st.text())
def test_any_text_is_a_manifest_or_a_one_line_error(text: str) -> None:
    try:
        parse_manifest(text)
    except ManifestError as error:
        assert len(str(error).splitlines()) == 1


@given(st.text("{}request!:[]. x", max_size=30))
def test_any_template_is_refused_or_renders_with_no_other_value(template: str) -> None:
    try:
        picture = parse_manifest(changed('"Count the leaves."', f"'{template}'")).prompts.picture
    except ManifestError:
        return
    literal = template.replace("{{", "").replace("}}", "")
    assert picture.format(request="words").count("words") == literal.count("{request}")


def test_the_file_is_named_when_it_is_missing_not_text_or_too_large(tmp_path: Path) -> None:
    folder = tmp_path / "leaves"
    folder.mkdir()
    with pytest.raises(ManifestError, match=r"no task\.toml in .*leaves"):
        read_manifest(folder)
    (folder / "task.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match=r"leaves/task\.toml is not UTF-8"):
        read_manifest(folder)
    (folder / "task.toml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ManifestError, match="larger than 64 KiB"):
        read_manifest(folder)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert read_manifest(tmp_path).name == "leaves"
