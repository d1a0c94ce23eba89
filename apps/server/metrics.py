"""What Prometheus may know: counts and times, never content."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from conlora_agent.core.types import TurnResult

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The figures of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "conlora_requests_total", "Answered requests.", ["method", "path", "status"], registry=registry
        )
        self.request_s = Histogram(
            "conlora_request_seconds", "Time to the end of an answer.", ["path"], buckets=SECONDS, registry=registry
        )
        self.steps = Counter(
            "conlora_steps_total", "Steps carried out.", ["route", "kind", "status"], registry=registry
        )
        self.step_s = Histogram(
            "conlora_step_seconds", "Time of a step.", ["route"], buckets=SECONDS, registry=registry
        )
        self.tokens = Counter("conlora_tokens_total", "Tokens read and written.", ["direction"], registry=registry)
        self.turns = Counter("conlora_turns_total", "Turns, by how they ended.", ["outcome"], registry=registry)
        self.running = Gauge("conlora_turns_running", "Turns under way.", registry=registry)
        self.waiting = Gauge("conlora_turns_waiting", "Requests that wait for a place.", registry=registry)

    def finished(self, result: TurnResult) -> None:
        """Count a turn that was answered."""
        self.turns.labels("answered").inc()
        for step in result.steps:
            self.steps.labels(step.route, step.kind, step.status).inc()
            self.step_s.labels(step.route).observe(step.ms / 1000)
        self.tokens.labels("read").inc(result.usage.prompt_tokens)
        self.tokens.labels("written").inc(result.usage.completion_tokens)

    def text(self) -> bytes:
        """All figures in Prometheus' format."""
        return generate_latest(self.registry)
