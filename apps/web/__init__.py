"""The web chat: a Gradio page on one agent. Works offline: the page asks nobody but this server for anything.

messages.py: a thread as chat messages; turns.py: one turn, streamed; handlers.py: what the page's events do;
page.py: layout; style.css: looks. Not covered here: the HTTP API.
"""

from __future__ import annotations

from apps.web.server import serve

__all__ = ["serve"]
