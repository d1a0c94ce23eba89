"""Fetching a stack from a model hub, played by a local server."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.hub import fetch
from adapters.manifest import Source
from adapters.registry import TaskRegistry
from adapters.sources import task_folder
from adapters.task import load_task
from adapters.weights import check_weights
from conlora_agent.core.errors import ManifestError, WeightsError
from tests.task_folders import write_stack, write_task

COMMIT = "a" * 40
SOURCE = Source(hub="owner/leaves", revision="v1")


def serve(server: HTTPServer, folder: Path) -> str:
    """Serve the files of `folder` as the repository owner/leaves; returns the endpoint."""

    def info(request: Request) -> Response:
        files = [{"rfilename": path.name, "size": path.stat().st_size} for path in folder.iterdir()]
        content = {"id": "owner/leaves", "modelId": "owner/leaves", "sha": COMMIT, "siblings": files, "tags": []}
        return Response(json.dumps(content), content_type="application/json")

    def file(request: Request) -> Response:
        data = (folder / Path(request.path).name).read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        return Response(data, headers=headers, content_type="application/octet-stream")

    server.expect_request(re.compile(r"/api/models/owner/leaves/revision/.*")).respond_with_handler(info)
    server.expect_request(re.compile(r"/owner/leaves/resolve/.*")).respond_with_handler(file)
    return server.url_for("").rstrip("/")


def test_weights_and_configuration_are_fetched_once(httpserver: HTTPServer, tmp_path: Path) -> None:
    folder = write_stack(tmp_path / "repository")
    (folder / "README.md").write_text("about")
    endpoint = serve(httpserver, folder)
    fetched = fetch(SOURCE, offline=False, endpoint=endpoint, cache_dir=tmp_path / "hub")
    assert check_weights(fetched, "nano").revision == "r1"
    assert not (fetched / "README.md").exists()
    asked = len(httpserver.log)
    assert fetch(SOURCE, offline=True, endpoint=endpoint, cache_dir=tmp_path / "hub") == fetched
    assert len(httpserver.log) == asked


def test_a_repository_with_code_is_refused(httpserver: HTTPServer, tmp_path: Path) -> None:
    folder = write_stack(tmp_path / "repository")
    (folder / "modeling.py").write_text("import os")
    with pytest.raises(WeightsError, match=r"owner/leaves on the hub carries code \(modeling\.py\)"):
        fetch(SOURCE, offline=False, endpoint=serve(httpserver, folder), cache_dir=tmp_path / "hub")


def test_offline_and_not_fetched_before_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="the stack owner/leaves cannot be fetched") as caught:
        fetch(SOURCE, offline=True, cache_dir=tmp_path / "hub")
    assert "\n" not in str(caught.value)


def test_an_unknown_repository_is_one_line(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request(re.compile("/api/.*")).respond_with_data("not found", status=404)
    with pytest.raises(WeightsError, match="cannot be fetched") as caught:
        fetch(SOURCE, offline=False, endpoint=httpserver.url_for("").rstrip("/"), cache_dir=tmp_path / "hub")
    assert "\n" not in str(caught.value)


def test_a_hub_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot be fetched .*; check its id and the network"):
        fetch(SOURCE, offline=False, endpoint="http://127.0.0.1:9", cache_dir=tmp_path / "hub")


# -- whole tasks ------------------------------------------------------------------------------------------------------


def test_a_task_on_the_hub_is_added(httpserver: HTTPServer, tmp_path: Path) -> None:
    folder = write_task(tmp_path)
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs")
    endpoint = serve(httpserver, folder)
    with task_folder("owner/leaves@v1", offline=False, endpoint=endpoint, cache_dir=tmp_path / "hub") as found:
        assert load_task(found).name == "leaves"
        assert not (found / ".gitattributes").exists()
        assert TaskRegistry(tmp_path / "home").add(found).name == "leaves"
    assert not found.exists()


@pytest.mark.parametrize("name", ["modeling.py", "weights.bin", "setup.sh"])
def test_a_task_on_the_hub_with_code_is_refused_before_anything_is_downloaded(
    httpserver: HTTPServer, tmp_path: Path, name: str
) -> None:
    folder = write_task(tmp_path)
    (folder / name).write_text("import os")
    endpoint = serve(httpserver, folder)
    with (
        pytest.raises(ManifestError, match=f"owner/leaves on the hub holds {name}"),
        task_folder("owner/leaves@v1", offline=False, endpoint=endpoint, cache_dir=tmp_path / "hub"),
    ):
        pass
    assert not [request for request, _ in httpserver.log if "/resolve/" in request.path]


def test_a_repository_that_is_no_task_and_an_unknown_path_are_one_line(httpserver: HTTPServer, tmp_path: Path) -> None:
    endpoint = serve(httpserver, write_stack(tmp_path / "repository"))
    with (
        pytest.raises(ManifestError, match=r"owner/leaves on the hub holds no task\.toml"),
        task_folder("owner/leaves@v1", offline=False, endpoint=endpoint, cache_dir=tmp_path / "hub"),
    ):
        pass
    with pytest.raises(ManifestError, match="there is no folder or file owner/leaves, and the hub is not asked"):
        TaskRegistry(tmp_path / "home", offline=True).add("owner/leaves")
    with pytest.raises(ManifestError, match="there is no folder or file"):
        TaskRegistry(tmp_path / "home").add("./owner/leaves")
