"""The guards of the test suite themselves."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import httpx
import pytest
from pytest_httpserver import HTTPServer


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.org"])
def test_the_network_is_out_of_reach(host: str) -> None:
    with pytest.raises(RuntimeError, match="without network"):
        socket.create_connection((host, 80), timeout=1)


def test_this_machine_can_be_reached(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("here")
    assert httpx.get(httpserver.url_for("/")).text == "here"


def test_home_and_cache_belong_to_the_test(tmp_path: Path) -> None:
    assert Path(os.environ["CONLORA_HOME"]).is_relative_to(tmp_path)
    assert Path(os.environ["CONLORA_CACHE"]).is_relative_to(tmp_path)
