"""What endpoints ask for: who calls, the agent, the turns. Set once on the application by app.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from apps.server.access import Access, Caller
from apps.server.metrics import Metrics
from apps.server.turns import Turns
from conlora_agent.agent import Agent

if TYPE_CHECKING:
    from apps.preparation import Preparation


@dataclass(frozen=True)
class Services:
    """The parts of one server."""

    agent: Agent
    turns: Turns
    access: Access
    metrics: Metrics
    preparation: Preparation


bearer = HTTPBearer(auto_error=False, description="An API key, where the server was started with one.")


def services_of(request: Request) -> Services:
    """The server's parts."""
    services: Services = request.app.state.services
    return services


def caller_of(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
) -> Caller:
    """Who asks; the request is counted. Raises Problem (401, 429)."""
    services = services_of(request)
    caller = services.access.caller(credentials.credentials if credentials else None)
    request.state.owner = caller.owner
    services.access.count(caller)
    return caller


CallerOf = Annotated[Caller, Depends(caller_of)]
ServicesOf = Annotated[Services, Depends(services_of)]


def _turns(services: ServicesOf) -> Turns:
    return services.turns


def _agent(services: ServicesOf, caller: CallerOf) -> Agent:
    return services.agent


TurnsOf = Annotated[Turns, Depends(_turns)]
AgentOf = Annotated[Agent, Depends(_agent)]
"""The agent, for callers who may use it."""
