"""The web chat: a Gradio page on one agent. Works offline: the page asks nobody but this server for anything.

page.py: layout; page.js and style.css: script and looks; handlers.py, conversations.py, panels.py: what events do;
messages.py, figures.py, tray.py: how things look as HTML (markup.py); turns.py: one turn, streamed; desk.py: what one
tab works with; server.py: serving it alone, or mounting it. Not covered here: the HTTP API.
"""

from __future__ import annotations

from apps.preparation import Preparation
from apps.web.server import build_blocks, mount, serve

__all__ = ["Preparation", "build_blocks", "mount", "serve"]
