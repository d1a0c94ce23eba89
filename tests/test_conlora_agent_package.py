"""The package root: its public names, and that importing it costs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import conlora_agent

HEAVY = ("torch", "transformers", "sentence_transformers", "gradio", "langgraph", "sklearn", "huggingface_hub")


@pytest.mark.parametrize("name", ["conlora_agent", "conlora_agent.settings", "adapters.registry", "adapters.parsers"])
def test_importing_loads_no_heavy_library(name: str) -> None:
    code = f"import sys, {name}; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_no_library_reports_on_its_use(tmp_path: Path) -> None:
    """ONNX Runtime writes an id of the machine into the home of whom it reports on."""
    names = ("ORT_DISABLE_TELEMETRY", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY")
    left = {key: value for key, value in os.environ.items() if key not in (*names, "CI", "XDG_CACHE_HOME")}
    code = f"import router.minilm, onnxruntime, os; print([os.environ[name] for name in {names!r}])"
    command = [sys.executable, "-c", code]
    said = subprocess.check_output(command, text=True, env=left | {"HOME": str(tmp_path)})
    assert said.strip() == "['1', 'False', '1']"
    assert list(tmp_path.iterdir()) == []


def test_public_names_are_there() -> None:
    from conlora_agent.settings import Settings

    assert conlora_agent.Settings is Settings
    assert set(conlora_agent.__all__) <= set(dir(conlora_agent))
    assert conlora_agent.__version__.count(".") == 2


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Agnet'"):
        _ = conlora_agent.Agnet
