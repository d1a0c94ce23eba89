"""Whatever the OpenAPI document allows is answered as it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from conlora_agent.settings import Settings
from tests.command import scripted_agent
from tests.serving import serving

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_every_operation_answers_as_documented(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path / "home", offline=True)
    with serving(scripted_agent(settings, lambda message, done: None)) as served:
        operations = [
            found.ok() for found in schemathesis.openapi.from_url(f"{served.url}/openapi.json").get_all_operations()
        ]
        assert len(operations) >= 15
        broken = [line for operation in operations if (line := problem(operation))]
    assert broken == []


def problem(operation: Any) -> str:
    """What is wrong with the answers to one operation, empty when nothing is."""

    @hypothesis.settings(max_examples=10, suppress_health_check=list(hypothesis.HealthCheck), database=None)
    @hypothesis.given(case=operation.as_strategy())
    def answers(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    try:
        answers()
    except AssertionError as error:
        return f"{operation.label}: {error}"
    except BaseExceptionGroup as group:
        return f"{operation.label}: {group.exceptions[0]}"
    return ""
