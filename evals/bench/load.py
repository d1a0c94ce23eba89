"""Many clients at once: requests a second, and how long each waits."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conlora_agent.core.protocols import GenerateRequest
from evals.bench.timing import milliseconds, picture

if TYPE_CHECKING:
    from conlora_agent.backbone.local import LocalBackbone

CLIENTS = 8
REQUESTS = 12
ANSWER = 12


def run(backbone: LocalBackbone, stacks: Mapping[str, Path], note: Callable[[str], None]) -> dict[str, Any]:
    """The same requests from one client and from eight."""
    for name, folder in stacks.items():
        backbone.attach(name, folder)
    names = list(stacks)
    requests = [
        GenerateRequest(f"What is there? ({n})", (), picture(), "load", names[n % len(names)], ANSWER)
        for n in range(REQUESTS)
    ]
    serve(backbone, requests[: 2 * len(names)], CLIENTS)  # sees the pictures
    rows = {clients: serve(backbone, requests, clients) for clients in (1, CLIENTS)}
    for clients, row in rows.items():
        note(f"{clients} clients: {row['per_second']} requests a second, median {row['p50_ms']} ms")
    ratio = rows[CLIENTS]["per_second"] / rows[1]["per_second"]
    return {"ratio": round(ratio, 3), "one": rows[1], "eight": rows[CLIENTS]}


def serve(backbone: LocalBackbone, requests: list[GenerateRequest], clients: int) -> dict[str, float]:
    """Requests a second and latency, with so many clients that each ask one thing after another."""
    waits: list[float] = []

    def ask(request: GenerateRequest) -> None:
        begun = time.perf_counter()
        backbone.generate(request)
        waits.append(time.perf_counter() - begun)

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, requests))
    spent = time.perf_counter() - start
    waits.sort()
    return {
        "per_second": round(len(requests) / spent, 3),
        "p50_ms": milliseconds(statistics.median(waits)),
        "p95_ms": milliseconds(waits[int(0.95 * (len(waits) - 1))]),
    }
