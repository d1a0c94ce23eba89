"""The HTTP API: OpenAI-compatible chat on one agent, threads, tasks and tools, with the web chat at `/`.

run.py starts it; app.py puts it together; chat.py is the heart: a request becomes a turn, its events an answer.
Not covered here: what a turn does (conlora_agent) and the web chat itself (apps.web).
"""

from __future__ import annotations

from apps.server.run import serve

__all__ = ["serve"]
