"""The package root: its public names, and that importing it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import conlora_agent

HEAVY = ("torch", "transformers", "sentence_transformers", "gradio", "langgraph", "sklearn", "huggingface_hub")


@pytest.mark.parametrize("name", ["conlora_agent", "conlora_agent.settings", "adapters.registry", "adapters.parsers"])
def test_importing_loads_no_heavy_library(name: str) -> None:
    code = f"import sys, {name}; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_public_names_are_there() -> None:
    from conlora_agent.settings import Settings

    assert conlora_agent.Settings is Settings
    assert set(conlora_agent.__all__) <= set(dir(conlora_agent))
    assert conlora_agent.__version__.count(".") == 2


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Agnet'"):
        _ = conlora_agent.Agnet
