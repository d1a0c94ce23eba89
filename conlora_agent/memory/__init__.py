"""What the agent remembers: transcripts, checkpoints and leases in one database, pictures in one folder.

Import from the modules: `database` (its kinds `sqlite` and `postgres`, its tables `schema`, the choice `opening`),
`threads`, `transcript`, `parcels`, `leases`, `pictures`, `decoding`, `saver`, `retention`, `repair`. Only `saver` needs
LangGraph, only `postgres` psycopg.
"""
