"""The fake backbone keeps the promises of the protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from conlora_agent.core.errors import UnknownName
from conlora_agent.core.protocols import Backbone, GenerateRequest
from conlora_agent.testing import FakeBackbone


def test_it_streams_what_it_returns_and_remembers_what_it_was_asked() -> None:
    backbone: Backbone = FakeBackbone({(None, "name"): "My name  is\nNobody. "})
    streamed: list[str] = []
    request = GenerateRequest("What is your NAME?", on_token=streamed.append)
    generation = backbone.generate(request)
    assert generation.text == "".join(streamed) == "".join(p.text for p in generation.pieces) == "My name  is\nNobody. "
    assert generation.confidence == pytest.approx(0.9)
    assert isinstance(backbone, FakeBackbone)
    assert backbone.requests == [request]


def test_stacks_must_be_attached(tmp_path: Path) -> None:
    backbone = FakeBackbone({("ocr", ""): "EXIT", ("*", ""): lambda request: f"{request.stack}"})
    with pytest.raises(UnknownName, match="ocr"):
        backbone.generate(GenerateRequest("read", stack="ocr"))
    backbone.attach("ocr", tmp_path)
    assert backbone.generate(GenerateRequest("read", stack="ocr")).text == "EXIT"
    assert backbone.generate(GenerateRequest("read")).text == "None"
    backbone.detach("ocr")
    assert backbone.stacks() == ()


def test_answers_end_at_the_limit_and_stop_when_the_listener_raises() -> None:
    backbone = FakeBackbone(default="one two three")
    assert backbone.generate(GenerateRequest("count", max_new_tokens=2)).text == "one two"
    with pytest.raises(KeyboardInterrupt):
        backbone.generate(GenerateRequest("count", on_token=lambda text: (_ for _ in ()).throw(KeyboardInterrupt)))
