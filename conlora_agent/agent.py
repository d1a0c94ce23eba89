"""Agent: the public face. One object, safe to call from several threads; everything heavy is loaded when needed.

    with Agent() as agent:
        result = agent.ask("where is the blue book?", image=Path("table.png"))
        for event in agent.stream("what is written on it?", thread=result.thread): ...

Not covered here: what happens in a turn (graph, nodes) and how it is shown (apps).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from conlora_agent.core.errors import BadInput, TextError, UnknownName
from conlora_agent.core.events import Event, Finished
from conlora_agent.core.protocols import Backbone, Explains, Router
from conlora_agent.core.referents import Focus
from conlora_agent.core.types import CHAT, CLARIFY, Box, Explanation, Plan, Route, RouteQuery, Step, TurnResult
from conlora_agent.defaults import default_database, default_router, default_tasks, default_tools
from conlora_agent.ingest import clean_region, clean_text
from conlora_agent.looking import look_first
from conlora_agent.memory.decoding import read_picture_file
from conlora_agent.memory.leases import Leases
from conlora_agent.memory.pictures import PictureStore
from conlora_agent.memory.repair import Repaired, repair
from conlora_agent.memory.threads import ThreadStore, check_thread_id, new_thread_id
from conlora_agent.models import Models, Progress
from conlora_agent.running import ContextMaker, run_stored, run_transient
from conlora_agent.settings import Settings
from conlora_agent.taught import Phrase, TaughtPhrases

if TYPE_CHECKING:
    from adapters.registry import TaskRegistry
    from conlora_agent.conversation import Conversations
    from conlora_agent.memory.saver import TurnSaver
    from conlora_agent.recall import Exchange
    from tools.registry import ToolRegistry

PICTURES = "pictures"
LIVE_SETTINGS = ("clarify_threshold", "max_steps", "history_tokens")
"""Settings that may change while the agent runs."""


class Agent:
    """Chats about pictures. Attributes: `settings`, `tasks`, `tools`, `taught`, `threads`, `pictures`, `models`."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        backbone: Backbone | None = None,
        router: Router | None = None,
        tasks: TaskRegistry | None = None,
        tools: ToolRegistry | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        """`on_progress` is handed to the backbone's first-use assembly. Raises SettingsError."""
        self.settings = settings or Settings.load()
        self._database = default_database(self.settings)
        self._leases = Leases(self._database)
        self.pictures = PictureStore(
            self._database, self.settings.home / PICTURES, max_pixels=self.settings.max_picture_pixels
        )
        self.tools = tools or default_tools(self.settings, self.pictures)
        self.tasks = tasks or default_tasks(self.settings, self.tools)
        self.models = Models(self.settings, backbone, on_progress)
        self.taught = TaughtPhrases(self.settings.home)
        self.threads = ThreadStore(self._database, self._leases, self.pictures)
        self._router = self._given_router = router
        self._fitted_for: tuple[Route, ...] | None = None
        self._graph: Any = None
        self._saver: TurnSaver | None = None
        self._conversations: Conversations | None = None
        self._lock = threading.RLock()

    # -- turns --------------------------------------------------------------------------------------------------------

    def ask(
        self,
        text: str,
        *,
        image: Path | str | bytes | None = None,
        thread: str | None = None,
        task: str | None = None,
        region: Box | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> TurnResult:
        """One turn. `image`: path or bytes of a picture. `thread`: its id, a new one when None or not yet there.
        `task`: the route to take instead of the router's. `region`: the part of the current picture that the message
        is about. `on_event` is told every event; raising from it cancels.

        Raises BadInput (nothing was written), ThreadBusy, StorageError.
        """
        with closing(self.stream(text, image=image, thread=thread, task=task, region=region)) as events:
            for event in events:
                if on_event is not None:
                    on_event(event)
                if isinstance(event, Finished):
                    return event.result
        raise AssertionError("a turn ends with Finished or an error")

    def stream(
        self,
        text: str,
        *,
        image: Path | str | bytes | None = None,
        thread: str | None = None,
        task: str | None = None,
        region: Box | None = None,
        system: str = "",
        max_tokens: int | None = None,
    ) -> Generator[Event, None, None]:
        """The events of one turn as they happen, `Finished` last. Closing the iterator earlier rolls the turn back.

        `system`: what the language model is told besides, when it chats. `max_tokens`: of a text, fewer than usual.
        Other arguments and errors as for `ask`.
        """
        thread = check_thread_id(thread) if thread is not None else new_thread_id()
        turn, routes = _turn(text, image, task, region), self._routes(chosen=task)
        graph = self._ready_graph()
        context = self._context(thread, routes, {"system": system, "max_tokens": max_tokens})
        return run_stored(turn, thread, context, graph=graph, leases=self._leases, pictures=self.pictures)

    def reply(
        self,
        text: str,
        *,
        image: Path | str | bytes | None = None,
        past: Sequence[Exchange] = (),
        task: str | None = None,
        region: Box | None = None,
        system: str = "",
        max_tokens: int | None = None,
    ) -> Generator[Event, None, None]:
        """The events of one turn of a conversation that the caller keeps as `past`; nothing is stored.

        Arguments and errors as for `stream`. The result's thread is empty.
        """
        turn, routes = _turn(text, image, task, region), self._routes(chosen=task)
        conversations = self._ready_conversations()
        context = self._context("", routes, {"system": system, "max_tokens": max_tokens})
        return run_transient(turn, past, context, conversations=conversations, pictures=self.pictures)

    def route(
        self,
        text: str,
        *,
        has_image: bool = False,
        previous: Sequence[str] = (),
        thread: str | None = None,
    ) -> Plan:
        """What becomes of a message, without a turn. With `thread`, its state is added to what is given."""
        query = self._query(text, has_image, previous, thread)
        routes = self._routes()
        plan = self._ready_router(routes).plan(query)
        if thread is None and previous:  # what these turns were about is not known
            return plan
        return look_first(plan, query, self._focus(thread), self.tools, routes, fresh=has_image)

    def explain(
        self,
        text: str,
        *,
        has_image: bool = False,
        previous: Sequence[str] = (),
        thread: str | None = None,
    ) -> Explanation:
        """Why a message takes its route; arguments as for `route`. Raises BadInput for a router that cannot say."""
        router = self._ready_router()
        if not isinstance(router, Explains):
            raise BadInput(f"the router {self.settings.router!r} does not explain itself", "use 'embedding'")
        return router.explain(self._query(text, has_image, previous, thread))

    def _query(self, text: str, has_image: bool, previous: Sequence[str], thread: str | None) -> RouteQuery:
        from conlora_agent.prompts import previous_routes

        cleaned = clean_text(text, max_chars=self.settings.max_text_chars)
        if not cleaned:
            raise TextError("the message is empty", "say what to do")
        state = self.state(thread) if thread is not None else {}
        focus = self._focus(thread)
        return RouteQuery(
            text=cleaned,
            has_image=has_image or focus.picture is not None,
            previous=(*previous_routes(state.get("window", [])), *previous),
            focus=focus.kinds,
        )

    def _focus(self, thread: str | None) -> Focus:
        kept = self.state(thread).get("focus") if thread is not None else None
        return Focus.model_validate(kept) if kept else Focus()

    def state(self, thread: str) -> dict[str, Any]:
        """What a thread keeps between turns: `window`, `summary`, `focus`, `pending`; empty for a new thread."""
        self._ready_graph()
        assert self._saver is not None
        return self._saver.state(check_thread_id(thread))

    def routes(self) -> tuple[Route, ...]:
        """Every route that the router may choose now, tasks first."""
        return tuple(self._routes().values())

    def builtin_routes(self) -> tuple[Route, ...]:
        """The routes that every installation has, as they come: without what the user added, taught or switched off."""
        from router import builtin_routes

        return (*self.tasks.builtin_routes(), *self.tools.builtin_routes(), *builtin_routes())

    def teach(self, route: str, text: str, *, has_image: bool = True) -> None:
        """Keep a message as a routing example of `route`; the router learns it before the next turn.

        Raises UnknownName, TextError, StorageError.
        """
        cleaned = clean_text(text, max_chars=self.settings.max_text_chars)
        if not cleaned:
            raise TextError("the phrase is empty", "give the words that the route should take")
        self.taught.teach(Phrase(route=route, text=cleaned, has_image=has_image), self._routes())

    def unteach(self, route: str, text: str) -> None:
        """Drop what was taught. Raises UnknownName, StorageError."""
        self.taught.forget(route, text)

    def lesson(self, thread: str, steps: Sequence[Step]) -> Phrase | None:
        """What could be taught after a thread's last turn, with these steps; see TaughtPhrases.lesson."""
        return self.taught.lesson(self.state(thread), steps)

    def configure(self, **changed: Any) -> None:
        """Take other values of `clarify_threshold`, `max_steps` and `history_tokens`, from the next turn on.

        Nothing is written: `config.toml` is where they last. Raises SettingsError.
        """
        settings = self.settings.changed(changed, allowed=LIVE_SETTINGS)
        with self._lock:
            if settings.clarify_threshold != self.settings.clarify_threshold:
                self._router = self._given_router
            self.settings = settings

    def repair(self) -> Repaired:
        """Remove what killed processes left behind, and look for damage. Raises StorageError."""
        return repair(self._database, self._leases, self.pictures)

    def close(self) -> None:
        """Let go of the model and of the database."""
        self.models.close()
        self.models = Models(self.settings)
        self.tools.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- one turn -----------------------------------------------------------------------------------------------------

    def _context(self, thread: str, routes: dict[str, Route], wishes: dict[str, Any]) -> ContextMaker:
        from conlora_agent.state import TurnContext

        return partial(
            TurnContext,
            thread=thread,
            settings=self.settings,
            router=self._ready_router(),
            routes=routes,
            tasks=self.tasks,
            tools=self.tools,
            models=self.models,
            **wishes,
        )

    def _ready_conversations(self) -> Conversations:
        with self._lock:
            if self._conversations is None:
                from conlora_agent.conversation import Conversations

                self._conversations = Conversations()
            return self._conversations

    def _ready_graph(self) -> Any:
        with self._lock:
            if self._graph is None:
                from conlora_agent.graph import build_graph
                from conlora_agent.memory.saver import TurnSaver

                self._saver = TurnSaver(self._database)
                self._graph = build_graph(self._saver)
            return self._graph

    # -- routes -------------------------------------------------------------------------------------------------------

    def _routes(self, chosen: str | None = None) -> dict[str, Route]:
        """All routes by name, the chosen one included even where it is not routable.

        Raises UnknownName for it, or the ManifestError of its broken folder.
        """
        from router import builtin_routes

        known = (*self.tasks.routes(), *self.tools.routes(), *builtin_routes())
        found = {route.name: route for route in self.taught.added_to(known)}
        if chosen is not None and (chosen not in found or chosen == CLARIFY):
            if chosen not in (*self.tasks.names(), *self.tasks.problems()):
                raise UnknownName.among("task", chosen, [*self.tasks.names(), *self.tools.names(), CHAT])
            found[chosen] = self.tasks.get(chosen).route()
        return found

    def _ready_router(self, known: dict[str, Route] | None = None) -> Router:
        """The router, told about the routes (`known` where they were just looked up) when they changed."""
        routes = self.routes() if known is None else tuple(known.values())
        with self._lock:
            if self._router is None:
                self._router = default_router(self.settings, routes, self.builtin_routes(), self.models, self.tasks)
            elif routes != self._fitted_for:
                self._router.refit(routes)
            self._fitted_for = routes
            return self._router


def _turn(text: str, image: Path | str | bytes | None, task: str | None, region: Box | None) -> dict[str, Any]:
    """What the graph is given. Raises PictureError for a file that cannot be read, BadInput for an unfit region."""
    data = image if image is None or isinstance(image, bytes) else read_picture_file(Path(image))
    return {"text": text, "picture": data, "task": task, "region": None if region is None else clean_region(region)}
