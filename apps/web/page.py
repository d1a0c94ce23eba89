"""The page: a list of conversations at the side, the conversation, the message box with the choice of a route.

Not covered here: what happens on its events (handlers.py) and its looks (style.css).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from apps.demo import PICTURE
from apps.web.handlers import AUTO, Handlers, example, option

if TYPE_CHECKING:
    from gradio.components.chatbot import ExampleMessage

# The browser keeps the ids of its threads. Reading them at each event, not once, lets two tabs add to one list.
_REMEMBERED = """(known, thread) => {
  const ids = JSON.parse(localStorage.getItem("conlora.threads") || "[]").filter((id) => id !== thread);
  if (thread) ids.unshift(thread);
  localStorage.setItem("conlora.threads", JSON.stringify(ids.slice(0, 200)));
  return [JSON.stringify(ids), thread];
}"""
_CONFIRM = """(thread) => [thread, thread && confirm("Delete this conversation?") ? "yes" : ""]"""
_LOOK = """() => {
  const dark = document.body.classList.toggle("dark");
  localStorage.setItem("conlora.look", dark ? "dark" : "light");
}"""
# The list of conversations starts open where it leaves room for the conversation itself.
_START = """() => {
  const look = localStorage.getItem("conlora.look");
  if (look) document.body.classList.toggle("dark", look === "dark");
  const wide = window.matchMedia("(min-width: 900px)").matches;
  const side = document.querySelector("#conversations");
  if (side && side.classList.contains("open") !== wide) side.querySelector(".toggle-button").click();
}"""

_WELCOME = """<div class="welcome"><h1>Talk about a picture</h1>
<p>Drop, paste or upload one and ask. The adapter, the tool and the region are chosen for you.</p></div>"""


def examples() -> list[ExampleMessage]:
    """Messages to begin with, on the bundled picture."""
    picture = str(PICTURE)
    asked = ("Describe this image", "Where is the blue book?", "What is written on the red book?")
    shown: list[ExampleMessage] = [{"text": text, "files": [picture], "icon": picture} for text in asked]
    return [*shown, {"text": "What is 17% of 2480?"}]


def theme() -> gr.themes.Base:
    """Colours and fonts; the fonts are the reader's own."""
    fonts = ["ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"]
    return gr.themes.Base(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=fonts,
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    )


def build_page(handlers: Handlers) -> gr.Blocks:
    """The page with its events wired."""
    page: gr.Blocks
    with gr.Blocks(
        title="ConLoRA Agent", fill_height=True, analytics_enabled=False, delete_cache=(3600, 86400)
    ) as page:
        # The page's scripts can read text boxes, not gr.State.
        thread, known, sure = gr.Textbox(visible=False), gr.Textbox("[]", visible=False), gr.Textbox(visible=False)
        taken = gr.State({})
        with gr.Sidebar(open=False, width=280, elem_id="conversations"):
            gr.HTML('<div class="brand">ConLoRA Agent</div>')
            new = gr.Button("New conversation", variant="primary", elem_id="new")
            threads = gr.Radio([], label="Conversations", elem_id="threads", container=False)
            with gr.Row(elem_id="side-actions"):
                delete = gr.Button("Delete", size="sm", min_width=80, elem_id="delete")
                look = gr.Button("Light / dark", size="sm", min_width=80, elem_id="look")
        chat = gr.Chatbot(
            elem_id="chat",
            label="Conversation",
            show_label=False,
            container=False,
            height=None,
            scale=1,
            layout="bubble",
            buttons=["copy"],
            feedback_options=None,
            placeholder=_WELCOME,
            examples=examples(),
            latex_delimiters=[],
        )
        with gr.Column(elem_id="composer", scale=0):
            box = gr.MultimodalTextbox(
                elem_id="box",
                placeholder="Ask about a picture, or anything else",
                file_types=["image"],
                file_count="single",
                sources=["upload"],
                show_label=False,
                label="Message",
                container=False,
                autofocus=True,
                max_plain_text_length=100_000,
            )
            task = gr.Dropdown(
                handlers.routes(), value=AUTO, label="Route", show_label=False, container=False, elem_id="route"
            )
        _wire(handlers, thread, taken, known, sure, new, threads, delete, look, chat, box, task)
        page.load(None, js=_START)
        page.load(handlers.offered, None, task, show_progress="hidden")
        page.load(handlers.listed, [known, thread], threads, js=_REMEMBERED, show_progress="hidden")
    return page


def _wire(
    handlers: Handlers,
    thread: gr.Textbox,
    taken: gr.State,
    known: gr.Textbox,
    sure: gr.Textbox,
    new: gr.Button,
    threads: gr.Radio,
    delete: gr.Button,
    look: gr.Button,
    chat: gr.Chatbot,
    box: gr.MultimodalTextbox,
    task: gr.Dropdown,
) -> None:
    def refresh(event: Any) -> None:
        event.then(handlers.listed, [known, thread], threads, js=_REMEMBERED, show_progress="hidden")

    def answer(event: Any) -> None:
        event = event.then(handlers.take, [box, thread], [chat, box, taken], show_progress="hidden")
        event = event.then(handlers.answer, [taken, thread, task], [chat, thread, box], show_progress="hidden")
        refresh(event.then(handlers.ready, None, box, show_progress="hidden"))

    answer(box.submit(None))
    answer(chat.example_select(example, None, box, show_progress="hidden"))
    answer(chat.option_select(option, None, box, show_progress="hidden"))
    box.stop(handlers.stop, None, None, show_progress="hidden")
    threads.input(handlers.open, threads, [chat, thread], show_progress="hidden")
    refresh(new.click(handlers.new, None, [chat, thread], show_progress="hidden"))
    refresh(delete.click(handlers.delete, [thread, sure], [chat, thread], js=_CONFIRM, show_progress="hidden"))
    look.click(None, js=_LOOK)
