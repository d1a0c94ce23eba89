"""Endpoints for those who run the server: is it alive, is it ready, what does it count."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from apps.server.deps import CallerOf, ServicesOf
from apps.server.problems import RESPONSES

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The answer of a server that runs."""

    status: Literal["ok"] = "ok"


class State(BaseModel):
    """Whether turns can be served. `detail`: what goes on, or what is wrong. `done`: a fraction."""

    status: Literal["loading", "ready", "failed"]
    detail: str
    done: float


@router.get("/healthz")
async def healthz() -> Alive:
    """Whether the server runs."""
    return Alive()


@router.get("/readyz", responses={503: {"model": State, "description": "Not yet, or not at all."}})
async def readyz(services: ServicesOf, response: Response) -> State:
    """Whether turns can be served: 200 once the model is loaded."""
    now = services.preparation
    response.status_code = 200 if now.ready else 503
    done = now.done if now.running else float(now.ready)
    return State(status=now.status, detail=now.failure or now.message, done=done)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, 401: RESPONSES[401]},
)
async def metrics(services: ServicesOf, caller: CallerOf) -> Response:
    """Figures in Prometheus' format."""
    return Response(services.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
