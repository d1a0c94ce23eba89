"""Endpoints that say what there is: models, tasks, tools, and what the router would do; and one to call a tool."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from apps.server.deps import AgentOf
from apps.server.problems import RESPONSES, UnknownModel
from apps.server.wire import AUTO, BASE
from conlora_agent.agent import Agent
from conlora_agent.core.types import Candidate, PlannedStep

router = APIRouter(responses={code: RESPONSES[code] for code in (400, 401, 429)})


class ModelCard(BaseModel):
    """What can be named as `model`."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "conlora"
    description: str


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class TaskCard(BaseModel):
    """A task. `stack`: whether it has LoRAs for the backbone in use; without, it is asked by its prompt alone."""

    name: str
    title: str
    description: str
    needs_image: bool
    output: str
    routable: bool
    stack: bool


class TaskList(BaseModel):
    """All tasks that can be used."""

    tasks: list[TaskCard]


class ToolCard(BaseModel):
    """A tool. `arguments`: JSON schema."""

    name: str
    title: str
    description: str
    arguments: dict[str, Any]


class ToolList(BaseModel):
    """All tools."""

    tools: list[ToolCard]


class ToolCall(BaseModel):
    """Arguments after the tool's schema."""

    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolAnswer(BaseModel):
    """What a tool gave, the same as in a step."""

    tool: str
    tool_args: dict[str, Any]
    tool_result: Any
    text: str
    source: str | None


class RouteRequest(BaseModel):
    """A message to be routed. `previous`: routes of the turns before, oldest first."""

    text: str
    has_image: bool = False
    previous: list[str] = Field(default_factory=list, max_length=64)


class RouteAnswer(BaseModel):
    """What the router would do."""

    steps: tuple[PlannedStep, ...]
    candidates: tuple[Candidate, ...]
    ms: float


@router.get("/v1/models", tags=["models"])
def list_models(agent: AgentOf) -> ModelList:
    """What can be named as `model`: `auto`, `base` and every task."""
    return ModelList(data=_models(agent))


@router.get("/v1/models/{model}", tags=["models"], responses={404: RESPONSES[404]})
def show_model(model: str, agent: AgentOf) -> ModelCard:
    """One of them."""
    known = {card.id: card for card in _models(agent)}
    if model not in known:
        raise UnknownModel.among("model", model, known)
    return known[model]


def _models(agent: Agent) -> list[ModelCard]:
    backbone = agent.models.name
    return [
        ModelCard(id=AUTO, description=f"The agent: every message takes the route that fits, on {backbone}."),
        ModelCard(id=BASE, description=f"{backbone} with all adapters off."),
        *(ModelCard(id=task.name, description=task.manifest.description) for task in agent.tasks.all()),
    ]


@router.get("/v1/tasks", tags=["tasks"])
def list_tasks(agent: AgentOf) -> TaskList:
    """The tasks."""
    return TaskList(tasks=[_task(agent, name) for name in agent.tasks.names()])


@router.get("/v1/tasks/{name}", tags=["tasks"], responses={404: RESPONSES[404]})
def show_task(name: str, agent: AgentOf) -> TaskCard:
    """One task."""
    return _task(agent, name)


def _task(agent: Agent, name: str) -> TaskCard:
    manifest = agent.tasks.get(name).manifest
    return TaskCard(
        name=manifest.name,
        title=manifest.title,
        description=manifest.description,
        needs_image=manifest.needs_image,
        output=manifest.output,
        routable=manifest.routable,
        stack=agent.models.name in manifest.backbones,
    )


@router.get("/v1/tools", tags=["tools"])
def list_tools(agent: AgentOf) -> ToolList:
    """The tools with their arguments."""
    return ToolList(
        tools=[
            ToolCard(
                name=tool.name,
                title=tool.title,
                description=tool.description,
                arguments=tool.args_model.model_json_schema(),
            )
            for tool in agent.tools.all()
        ]
    )


@router.post("/v1/tools/{name}", tags=["tools"], responses={code: RESPONSES[code] for code in (404, 503)})
def call_tool(name: str, body: ToolCall, agent: AgentOf) -> ToolAnswer:
    """Call a tool with arguments after its schema."""
    result = agent.tools.get(name).call(body.arguments)
    return ToolAnswer(
        tool=name, tool_args=body.arguments, tool_result=result.value, text=result.text, source=result.source
    )


@router.post("/v1/route", tags=["tasks"])
def route(body: RouteRequest, agent: AgentOf) -> RouteAnswer:
    """What the router makes of a message, without a turn."""
    plan = agent.route(body.text, has_image=body.has_image, previous=body.previous)
    return RouteAnswer(steps=plan.steps, candidates=plan.candidates, ms=plan.ms)
