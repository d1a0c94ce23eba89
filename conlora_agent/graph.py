"""Wires nodes and edges into the graph of one turn. Nothing else happens here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langgraph.graph import END, START, StateGraph

from conlora_agent import nodes
from conlora_agent.edges import next_step
from conlora_agent.state import TurnContext, TurnInput, TurnState

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

STEP_NODES = ("perceive", "act", "chat", "clarify")


def build_graph(saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph[TurnState, TurnContext, TurnInput, TurnState]:
    """ingest → route → (perceive | act | chat | clarify)* → respond → commit."""
    graph = StateGraph(TurnState, context_schema=TurnContext, input_schema=TurnInput)
    graph.add_node("ingest", nodes.ingest)
    graph.add_node("route", nodes.route)
    graph.add_node("perceive", nodes.perceive)
    graph.add_node("act", nodes.act)
    graph.add_node("chat", nodes.chat)
    graph.add_node("clarify", nodes.clarify)
    graph.add_node("respond", nodes.respond)
    graph.add_node("commit", nodes.commit)
    graph.add_edge(START, "ingest")
    graph.add_edge("ingest", "route")
    for node in ("route", *STEP_NODES):
        graph.add_conditional_edges(node, next_step, [*STEP_NODES, "respond"])
    graph.add_edge("respond", "commit")
    graph.add_edge("commit", END)
    return graph.compile(checkpointer=saver)
