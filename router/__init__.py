"""Which route a turn takes: from the words and the state of the conversation to a plan with calibrated confidences.

`builtin_routes()` gives the two routes that need neither a task folder nor a tool: `chat` and `clarify`. The routers
themselves are `router.embedding.EmbeddingRouter` and `router.fixed.FixedRouter`. Importing this package loads no model.
"""

from router.builtin import builtin_routes

__all__ = ["builtin_routes"]
