"""Errors as HTTP answers, in the shape that OpenAI's clients read: `{"error": {message, type, param, code}}`."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from conlora_agent.core.errors import (
    BackboneError,
    BadInput,
    ConloraError,
    Failure,
    StorageError,
    ThreadBusy,
    ToolError,
    ToolUnavailable,
    UnknownName,
)

log = logging.getLogger(__name__)

STATUS: dict[type[ConloraError], int] = {
    UnknownName: 404,
    BadInput: 400,
    ThreadBusy: 409,
    ToolUnavailable: 503,
    ToolError: 502,
    StorageError: 503,
    BackboneError: 503,
    Failure: 500,
}
"""The first class that fits decides."""
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


class Problem(Failure):
    """An error that only HTTP knows, with its status and headers."""

    def __init__(self, status: int, problem: str, remedy: str = "", **headers: str) -> None:
        super().__init__(problem, remedy)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class UnknownModel(UnknownName):
    """A request's `model` is none; OpenAI's clients know this error by its code."""


class ErrorDetail(BaseModel):
    """What is wrong and what to do about it."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorDetail


RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The request cannot be served as it is."},
    401: {"model": ErrorBody, "description": "The key is missing or wrong."},
    404: {"model": ErrorBody, "description": "Nothing has that name."},
    409: {"model": ErrorBody, "description": "The thread is busy with another turn."},
    413: {"model": ErrorBody, "description": "The request is too large."},
    429: {"model": ErrorBody, "description": "Too many requests."},
    500: {"model": ErrorBody, "description": "A mistake of the server's."},
    503: {"model": ErrorBody, "description": "Model, storage or a tool cannot be used now."},
}


def status_of(error: ConloraError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, Problem):
        return error.status
    return next((status for cls, status in STATUS.items() if isinstance(error, cls)), 500)


def body_of(error: ConloraError) -> dict[str, Any]:
    """The JSON body of an error."""
    named = {"param": "model", "code": "model_not_found"} if isinstance(error, UnknownModel) else {}
    return _body(status_of(error), str(error), **named)


def answer(error: ConloraError) -> JSONResponse:
    """The whole answer to a request that met an error."""
    headers = error.headers if isinstance(error, Problem) else {}
    return JSONResponse(body_of(error), status_of(error), headers)


def install(app: FastAPI) -> None:
    """Make every error of `app` answer in this shape, but for mistakes of ours (see RequestLog)."""
    app.add_exception_handler(ConloraError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def unexpected(error: BaseException) -> Failure:
    """A mistake of ours as an error that tells nothing but its kind; the log has the rest."""
    log.error("a request broke", exc_info=error)
    return Failure(f"internal error ({type(error).__name__})", "please report it with the request id")


async def _expected(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ConloraError)
    return answer(error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    kind = request.headers.get("content-type", "")
    if request.method != "GET" and not kind.startswith("application/json"):
        return JSONResponse(_body(400, "the body is not JSON; send the header Content-Type: application/json"), 400)
    if (first := error.errors()[0])["type"] == "json_invalid":
        return JSONResponse(_body(400, f"the body is no valid JSON, from character {first['loc'][-1]} on"), 400)
    # Where one of several forms is allowed, the form that the request comes nearest to is told about.
    nearest = max(error.errors(), key=lambda one: len(one["loc"]))
    place = ".".join(str(part) for part in nearest["loc"] if part not in ("body", "str") and "[" not in str(part))
    message = f"{place or 'body'}: {nearest['msg'][:1].lower()}{nearest['msg'][1:]}; see /docs"
    return JSONResponse(_body(400, message, param=place or None), 400)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path[:100]}"
    said = {400: "the body is no JSON in UTF-8; encode it again", 405: f"{what} is not served; see /docs"}
    message = said.get(error.status_code, str(error.detail))
    return JSONResponse(_body(error.status_code, message), error.status_code, error.headers)


def _body(status: int, message: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return ErrorBody(error=ErrorDetail(message=message, type=kind, param=param, code=code)).model_dump()
