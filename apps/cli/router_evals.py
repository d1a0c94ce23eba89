"""`conlora eval router|dialogues|plans|clinc150|intents`: how well messages are routed, by the code that serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apps.cli.common import JsonOption, Terminal, load_settings, terminal_of, to_json
from apps.render import table
from conlora_agent.core.errors import BadInput

if TYPE_CHECKING:
    from conlora_agent.agent import Agent
    from conlora_agent.core.types import Plan, Route, RouteQuery
    from evals.intent_data import IntentData

HELD_OUT = Path(__file__).parents[2] / "evals" / "data"
SHOWN_MISSES = 30
FileOption = Annotated[Path | None, typer.Option("--data", metavar="FILE", help="JSONL rows; default: ours.")]
FloorOption = Annotated[
    float | None,
    typer.Option("--fail-under", metavar="X", min=0.0, max=1.0, help="Exit with 1 when fewer are right."),
]
ShotsOption = Annotated[
    int | None, typer.Option("--shots", metavar="K", min=1, help="Training sentences per intent; default: all.")
]
CompareOption = Annotated[
    bool,
    typer.Option(
        "--compare", help="Also nearest neighbour, centroid, logistic regression and semantic-router, in the same run."
    ),
]
EnvironmentOption = Annotated[
    Path | None,
    typer.Option(
        "--semantic-router",
        metavar="DIR",
        help="Virtual environment that has semantic-router; default: semantic-router in CONLORA_CACHE, if it is there.",
    ),
]
SeedsOption = Annotated[
    int | None, typer.Option("--seeds", metavar="N", min=1, help="Draws to average over; default: 3 with --shots.")
]


def router(
    ctx: typer.Context,
    data: FileOption = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="embedding, llm or cascade; default: the setting.")
    ] = None,
    report_to: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write an HTML report with its pictures there.")
    ] = None,
    as_json: JsonOption = False,
    floor: FloorOption = None,
) -> None:
    """Measure which share of turns takes the right steps, how honest confidences are, and the time it takes."""
    from evals.report import check_folder, write_report
    from evals.router import evaluate_router, load_rows

    if report_to is not None:
        check_folder(report_to)
    terminal = terminal_of(ctx)
    settings = load_settings(router=strategy)
    rows = load_rows(data or HELD_OUT / "router_heldout.jsonl")
    with terminal.agent(settings) as agent:
        measured = evaluate_router(rows, ServedRouter(agent, agent.routes()))
    if report_to is not None:
        page = write_report(measured, f"Router: {settings.router}", report_to)
        terminal.note(f"report: {page}")
    report = measured.model_dump(mode="json")
    finish(terminal, report, report["accuracy"], as_json, floor)


def dialogues(
    ctx: typer.Context, data: FileOption = None, as_json: JsonOption = False, floor: FloorOption = None
) -> None:
    """Play scripted dialogues: which share of turns, of follow-ups and of whole dialogues is routed rightly."""
    from evals.dialogues import evaluate_dialogues, load_dialogues

    terminal = terminal_of(ctx)
    played = load_dialogues(data or HELD_OUT / "dialogues.jsonl")
    with terminal.agent(load_settings()) as agent:
        report = evaluate_dialogues(played, ServedRouter(agent, agent.routes())).model_dump(mode="json")
    finish(terminal, report, report["accuracy"], as_json, floor)


def plans(ctx: typer.Context, data: FileOption = None, as_json: JsonOption = False, floor: FloorOption = None) -> None:
    """Plan messages of several requests: which share of the lists of steps is right, and what is split for nothing."""
    from evals.dialogues import evaluate_plans
    from evals.router import load_rows

    terminal = terminal_of(ctx)
    rows = load_rows(data or HELD_OUT / "plans.jsonl")
    with terminal.agent(load_settings()) as agent:
        report = evaluate_plans(rows, ServedRouter(agent, agent.routes())).model_dump(mode="json")
    finish(terminal, report, report["exact"], as_json, floor)


def finish(terminal: Terminal, report: dict[str, Any], reached: float, as_json: bool, floor: float | None) -> None:
    """Print figures and misses; exit code 1 below the floor."""
    misses = [f"missed: {m['text']!r} expected {m['expected']} got {m['got']}" for m in report["misses"]]
    terminal.emit(report, as_json, [*figures(report), *misses[:SHOWN_MISSES]])
    _hold(terminal, reached, floor)


def _hold(terminal: Terminal, reached: float, floor: float | None) -> None:
    """Exit code 1, and a note, below the floor."""
    if floor is not None and reached < floor:
        terminal.note(f"{reached:.4f} is below --fail-under {floor}")
        raise typer.Exit(1)


def clinc150(
    ctx: typer.Context,
    data: Annotated[Path, typer.Option("--data", metavar="FILE", help="CLINC150's data_full.json.")],
    shots: ShotsOption = None,
    seeds: SeedsOption = None,
    compare: CompareOption = False,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
    floor: FloorOption = None,
) -> None:
    """Measure the router's classifier on CLINC150's intents; its gate is fitted on the validation parts."""
    from evals.intent_data import load_clinc150

    measure(terminal_of(ctx), load_clinc150(data), shots, seeds, compare, environment, as_json, floor)


def intents(
    ctx: typer.Context,
    train: Annotated[Path, typer.Option("--train", metavar="FILE", help="CSV or JSONL with text and label.")],
    test: Annotated[Path, typer.Option("--test", metavar="FILE", help="The same; label 'oos' belongs to no intent.")],
    shots: ShotsOption = None,
    seeds: SeedsOption = None,
    compare: CompareOption = False,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
    floor: FloorOption = None,
) -> None:
    """Measure the router's classifier on your own intents; its gate is cross-fitted on the training rows."""
    from evals.intent_data import load_intents

    measure(terminal_of(ctx), load_intents(train, test), shots, seeds, compare, environment, as_json, floor)


def measure(
    terminal: Terminal,
    data: IntentData,
    shots: int | None,
    seeds: int | None,
    compare: bool,
    environment: Path | None,
    as_json: bool,
    floor: float | None,
) -> None:
    """Learn and test the intents, and print the figures. `floor`: of the accuracy in scope."""
    from evals.intent_data import check_shots
    from evals.intents import evaluate_intents
    from router.encoder import shared_encoder
    from router.store import KnownVectors

    settings = load_settings()
    check_shots(data, shots)
    python = _semantic_router(terminal, environment, settings.cache) if compare or environment else None
    encoder = shared_encoder()
    known = KnownVectors(encoder, settings.cache / "evals")
    report = evaluate_intents(
        data,
        encoder,
        known.encode,
        shots=shots,
        seeds=seeds or (3 if shots else 1),
        others=compare or python is not None,
        semantic_router=python,
    )
    known.keep()
    value = report.model_dump(mode="json")
    terminal.emit(value, as_json, [*figures(value), *_others(value)])
    _hold(terminal, report.in_scope_accuracy, floor)


def _semantic_router(terminal: Terminal, environment: Path | None, cache: Path) -> Path | None:
    """The Python to ask semantic-router with; None, and a note, where nobody made an environment for it."""
    from evals.semantic_router import python_of

    try:
        return python_of(environment or cache / "semantic-router")
    except BadInput as error:
        if environment is not None:
            raise
        terminal.note(f"semantic-router is left out: {error}")
        return None


def _others(report: dict[str, Any]) -> list[str]:
    """The router's classifier beside the usual methods, in a table; nothing where they were not asked for."""
    if not report["others"]:
        return []
    shown = ("in_scope_accuracy", "oos_auroc", "fpr95")
    rows = [
        [
            one["name"],
            *("-" if one[figure] is None else f"{one[figure]:.4f}" for figure in shown),
            "-" if one["decision_ms"] is None else f"{one['decision_ms']['p50']:.3f}",
        ]
        for one in ({**report, "name": "conlora"}, *report["others"])
    ]
    return ["", *table(["method", *shown, "decision_ms"], rows)]


@dataclass(frozen=True)
class ServedRouter:
    """The router the way a turn reaches it."""

    agent: Agent
    routes: Sequence[Route]

    def plan(self, query: RouteQuery) -> Plan:
        """Decide the steps of one turn."""
        return self.agent.route(query.text, has_image=query.has_image, previous=query.previous)


def figures(report: dict[str, Any]) -> list[str]:
    """One line a figure; lists and tables are left to JSON."""
    shown = {name: value for name, value in report.items() if not isinstance(value, list) and name != "confusion"}
    return [
        f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {to_json(value)}"
        for name, value in shown.items()
    ]
