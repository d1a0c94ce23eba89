"""`conlora doctor`: is everything there and does it work; what is not is named, with what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from apps.cli.common import BackboneOption, JsonOption, load_settings, terminal_of
from conlora_agent.doctor.finding import Report


def doctor(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[CHECK]...", help="Checks to run; default: all.")
    ] = None,
    backbone: BackboneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check task folders, stacks and the model; exit code 1 when something is wrong."""
    from conlora_agent.doctor import chosen, examine

    terminal = terminal_of(ctx)
    checks = chosen(names or [])
    reports = []
    with terminal.agent(load_settings(backbone)) as agent:
        for report in examine(agent, checks):
            reports.append(report)
            if not as_json:
                terminal.say(*lines(report))
    ok = all(report.ok for report in reports)
    if as_json:
        terminal.emit({"ok": ok, "checks": [as_value(report) for report in reports]}, True, ())
    if not ok:
        raise typer.Exit(1)


def lines(report: Report) -> list[str]:
    """A report for a person."""
    head = f"{report.check.name}: {report.check.title}, {'ok' if report.ok else 'not in order'}"
    return [head, *(f"  {'ok ' if f.ok else 'BAD'} {f.about}: {f.detail}" for f in report.findings)]


def as_value(report: Report) -> dict[str, Any]:
    """A report as JSON."""
    return {
        "name": report.check.name,
        "title": report.check.title,
        "ok": report.ok,
        "findings": [asdict(finding) for finding in report.findings],
        "ms": report.ms,
    }
