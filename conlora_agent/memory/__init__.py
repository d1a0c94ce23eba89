"""What the agent remembers: transcripts, checkpoints, leases and pictures, all in one SQLite database and one folder.

Import from the modules: `database`, `threads`, `leases`, `pictures`, `decoding`, `saver`. Only `saver` needs LangGraph.
"""
