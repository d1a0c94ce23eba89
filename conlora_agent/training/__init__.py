"""Training of the embedded backbone and of task stacks. Nothing here is imported when the agent merely runs."""
