"""The page: conversations at the left, the conversation, the message box, tasks and settings in a drawer at the right.

Not covered here: what happens on its events (handlers.py, conversations.py, panels.py), its script and its looks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from apps.preparation import Preparation
from apps.web.conversations import Conversations
from apps.web.desk import Desk
from apps.web.figures import inline
from apps.web.handlers import AUTO, EXAMPLES, PROGRESS_S, Handlers
from apps.web.markup import button, plain
from apps.web.panels import Panels

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

STYLE = Path(__file__).with_name("style.css")
SCRIPT = Path(__file__).with_name("page.js")
PLAIN: dict[str, Any] = {"js_on_load": None, "apply_default_css": False}
"""HTML without a script and with our own looks only."""
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden"}
"""A plain request. Gradio's queue closes its stream when it is idle, and an event that is sent in that very moment gets
no answer: only a running turn, and what may raise a notice (which the queue alone carries), go through it."""
NOTICE: dict[str, Any] = {"trigger_mode": "multiple", "show_progress": "hidden"}
EACH: dict[str, Any] = {**QUICK, "trigger_mode": "multiple"}
LATEST: dict[str, Any] = {**QUICK, "trigger_mode": "always_last"}
"""Every click counts, however fast one follows another; or the last one does."""

_REMEMBER = "(known, thread, words) => [conlora.remember(thread), thread, words]"
_LAST = "() => [conlora.last()]"
_RELIST = "() => conlora.relist()"
_SAVE = "(parcel) => conlora.save(parcel)"
# Every event that a button of the page can send; Gradio takes the names from here.
_BRIDGE = """conlora.start(trigger, upload);
/* "say" "example" "again" "edit_message" "pictures" "look" "unmark" "open_thread" "rename_thread" "delete_thread"
   "export_thread" "import_thread" "switch_task" "remove_task" "add_task" "teach" "relist" */"""
_DIALOGS = """<div id="status" class="unseen" role="status" aria-live="polite"></div>
<dialog id="viewer" aria-label="Picture"><div class="stage"></div>
<p>Drag to mark a region and ask about it, or use the arrow keys and Enter.</p>
<div class="bar"><button type="button" data-do="look">Look at this one</button>
<button type="button" data-close>Close</button></div></dialog>
<dialog id="camera" aria-label="Camera"><video autoplay playsinline muted></video>
<div class="bar"><button type="button" data-take class="primary">Take the picture</button>
<button type="button" data-close>Close</button></div></dialog>"""
_ICON = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{}"/></svg>'
_PLUS = "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01"
_CAMERA = "M4 8h3l2-3h6l2 3h3v11H4zM12 17a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z"
_TOOLS = "".join(
    f'<button type="button" data-tool="{tool}" aria-label="{name}" title="{title}">{_ICON.format(shape)}</button>'
    for tool, name, title, shape in (
        ("add", "Add pictures", "Add pictures, or paste or drop them anywhere", _PLUS),
        ("camera", "Camera", "Take a picture", _CAMERA),
    )
)


def theme() -> gr.themes.Base:
    """Colours and fonts; the fonts are the reader's own."""
    fonts = ["ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"]
    return gr.themes.Base(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=fonts,
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    ).set(body_text_color_subdued="*neutral_500", button_primary_background_fill="*primary_600")


def build_page(agent: Agent, preparation: Preparation, *, manage: bool = True) -> gr.Blocks:
    """The page with its events wired, not launched. `manage`: whether it may change tasks and settings."""
    page: gr.Blocks
    with gr.Blocks(
        title="ConLoRA Agent", fill_height=True, analytics_enabled=False, delete_cache=(3600, 86400)
    ) as page:
        Page(agent, preparation, manage=manage).wire(page)
    return page


class Page:
    """The components of one page, laid out when made, and their events."""

    def __init__(self, agent: Agent, preparation: Preparation, *, manage: bool) -> None:
        self.handlers = Handlers(agent, preparation)
        self.list = Conversations(agent)
        self.panels = Panels(agent, manage=manage)
        self._values()
        self._conversations()
        self._drawer(agent, manage)
        self._conversation()

    def _values(self) -> None:
        """What belongs to the tab. The page's script can read text boxes, not gr.State."""
        self.thread, self.known = gr.Textbox(visible=False), gr.Textbox("[]", visible=False)
        self.parcel = gr.Textbox(visible=False)
        self.desk, self.message = gr.State(Desk()), gr.State(None)

    def _conversations(self) -> None:
        with gr.Sidebar(open=False, width=290, elem_id="conversations"):
            gr.HTML('<h1 class="brand">ConLoRA Agent</h1>')
            self.new = gr.Button("New conversation", variant="primary", elem_id="new")
            self.search = gr.Textbox(
                elem_id="search", label="Search conversations", show_label=False, container=False,
                placeholder="Search conversations", max_lines=1,
            )  # fmt: skip
            self.threads = gr.HTML(elem_id="threads", **PLAIN)
            import_ = '<button type="button" class="choice" data-tool="import">Import a conversation …</button>'
            gr.HTML(import_, elem_id="import", **PLAIN)

    def _drawer(self, agent: Agent, manage: bool) -> None:
        settings = agent.settings
        with gr.Sidebar(open=False, width=330, position="right", elem_id="drawer"):
            gr.HTML("<h2>Tasks</h2>", **PLAIN)
            self.tasks = gr.HTML(
                elem_id="tasks", js_on_load="conlora.switches(element, watch)", apply_default_css=False
            )
            if manage:
                folder = '<button type="button" class="choice" data-tool="folder">Add a task from a folder …</button>'
                gr.HTML(folder, elem_id="add", **PLAIN)
            with gr.Accordion("Model and router", open=False, elem_id="settings"):
                self.model = gr.HTML(elem_id="model", **PLAIN)
                self.settings = [
                    gr.Slider(0, 1, settings.clarify_threshold or 0, step=0.05, label="Ask back below this confidence",
                              info="0: as the router was fitted", interactive=manage),
                    gr.Slider(1, 12, settings.max_steps, step=1, label="Steps a message may take", interactive=manage),
                    gr.Slider(0, 4096, settings.history_tokens, step=128, interactive=manage,
                              label="Tokens of earlier conversation shown to the model"),
                ]  # fmt: skip
                gr.HTML(
                    "<small>For all conversations until the program ends; config.toml keeps them.</small>"
                    '<button type="button" class="choice" data-tool="look">Light / dark</button>',
                    **PLAIN,
                )

    def _conversation(self) -> None:
        self.banner = gr.HTML(elem_id="banner", **PLAIN)
        self.timer = gr.Timer(PROGRESS_S, active=True)
        self.log = gr.HTML(
            [], elem_id="chat", js_on_load="conlora.log(element, props, watch)", apply_default_css=False,
            html_template=f'{_welcome()}<div role="log" aria-live="off" aria-label="Conversation"><ol></ol></div>',
        )  # fmt: skip
        with gr.Column(elem_id="composer", scale=0):
            self.tray = gr.HTML(elem_id="tray", **PLAIN)
            with gr.Row(elem_id="line"):
                gr.HTML(_TOOLS, elem_id="tools", **PLAIN)
                self.box = gr.Textbox(
                    elem_id="box", placeholder="Ask about a picture", label="Message",
                    show_label=False, container=False, autofocus=True, lines=1, max_lines=8, submit_btn="Send", scale=1,
                )  # fmt: skip
                self.task = gr.Dropdown(
                    self.handlers.routes(),
                    value=AUTO,
                    label="Route",
                    show_label=False,
                    container=False,
                    elem_id="route",
                )
        self.bridge: Any = gr.HTML(_DIALOGS, elem_id="dialogs", js_on_load=_BRIDGE, apply_default_css=False)

    # -- events -------------------------------------------------------------------------------------------------------

    def wire(self, page: gr.Blocks) -> None:
        """Connect everything."""
        handlers, bridge = self.handlers, self.bridge
        sent = [self.message, self.log, self.desk, self.tray, self.box]
        here = [self.desk, self.thread]
        self._turn(self.box.submit(handlers.typed, [self.box, *here, self.task], sent, **QUICK))
        self._turn(bridge.say(handlers.clicked, here, sent, **QUICK))
        self._turn(bridge.example(handlers.example, here, sent, **QUICK))
        self._turn(bridge.again(handlers.again, [self.message, *here], sent, **QUICK))
        self.box.stop(handlers.stop, None, None, **QUICK)
        bridge.edit_message(handlers.edit, [self.message, self.thread], [self.box, self.log], **QUICK)
        bridge.teach(handlers.teach, self.thread, self.log, **NOTICE)
        for event, handler, how in (
            (bridge.pictures, handlers.uploaded, NOTICE),
            (bridge.look, handlers.look, EACH),
            (bridge.unmark, handlers.unmark, EACH),
        ):
            event(handler, self.desk, [self.desk, self.tray], **how)
        self._wire_list()
        self._wire_drawer(page)
        self._open(page.load(None, None, self.thread, js=_LAST))
        progress = [self.banner, self.timer]
        page.load(handlers.progress, None, progress, **QUICK)
        self.timer.tick(handlers.progress, None, progress, **QUICK)

    def _turn(self, event: Any) -> None:
        """What follows once a message is taken: the turn runs, the page settles."""
        handlers = self.handlers
        run = [self.message, self.thread]
        event = event.then(handlers.answer, run, [self.log, self.thread], show_progress="hidden")
        settled = [self.box, self.desk, self.tray]
        self._relist(event.then(handlers.settle, [self.thread, self.desk], settled, **QUICK))

    def _open(self, event: Any) -> None:
        """What follows once another thread is chosen: it is shown."""
        shown = [self.log, self.desk, self.tray]
        self._relist(event.then(self.handlers.open, self.thread, shown, **QUICK))

    def _relist(self, event: Any) -> None:
        """What follows once the conversations have changed. The list is made by one event, whatever calls for it, and
        never twice at a time: a list made for other words must not come after one made for these."""
        event.then(None, None, None, js=_RELIST)

    def _wire_list(self) -> None:
        bridge, conversations, listed = self.bridge, self.list, [self.known, self.thread, self.search]
        bridge.relist(conversations.listed, listed, self.threads, js=_REMEMBER, **LATEST)
        self.search.change(None, None, None, js=_RELIST)
        self._open(bridge.open_thread(conversations.chosen, None, self.thread, **QUICK))
        self._open(self.new.click(lambda: "", None, self.thread, **QUICK))
        self._open(bridge.delete_thread(conversations.delete, self.thread, self.thread, show_progress="hidden"))
        self._open(bridge.import_thread(conversations.bring, self.thread, self.thread, show_progress="hidden"))
        self._relist(bridge.rename_thread(conversations.rename, None, None, show_progress="hidden"))
        packed = bridge.export_thread(conversations.export, None, self.parcel, show_progress="hidden")
        packed.then(None, self.parcel, None, js=_SAVE)

    def _wire_drawer(self, page: gr.Blocks) -> None:
        bridge, panels = self.bridge, self.panels
        for event, handler in (
            (bridge.switch_task, panels.switch), (bridge.remove_task, panels.remove), (bridge.add_task, panels.add)
        ):  # fmt: skip
            changed = event(handler, None, self.tasks, **NOTICE)
            changed.then(self.handlers.offered, None, self.task, **QUICK)
        page.load(panels.tasks, None, self.tasks, **QUICK)
        page.load(panels.model, None, self.model, **QUICK)
        page.load(self.handlers.offered, None, self.task, **QUICK)
        for slider in self.settings:
            slider.release(panels.configure, self.settings, None, show_progress="hidden")


def _welcome() -> str:
    cards = ""
    for number, (text, picture) in enumerate(EXAMPLES):
        image = ""
        if picture is not None:
            image = f'<img alt="" src="{inline(picture)}">'
        cards += button(f"{image}<span>{plain(text)}</span>", "example", class_="card", number=number)
    return (
        '<div class="welcome"><h2>Talk about a picture</h2><p>Drop, paste, choose or take one, and ask. '
        "The adapter, the tool and the region are chosen for you.</p>"
        f'<div class="cards" role="group" aria-label="Examples">{cards}</div></div>'
    )
