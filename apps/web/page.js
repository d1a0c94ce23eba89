/* The page's own script. Buttons say what they want in data-do, everything else beside it in data-*; `send` hands that
   to the server. Not covered here: what the server does with it (handlers.py, conversations.py, panels.py). */

window.conlora = (() => {
  const SMALLEST = 0.015; // of a picture's side; less is a click, not a region
  const store = (area, key, value) => {
    try {
      if (value === undefined) return area.getItem("conlora." + key);
      area.setItem("conlora." + key, value);
    } catch { /* storage is switched off: nothing is remembered */ }
    return null;
  };
  const busy = () => $("#box .stop-button");
  const STARTS_A_TURN = ["say", "again", "example"];
  let trigger = () => {};
  /* One turn at a time. A click in the moment between an answer and the box being free waits for it. */
  function send(what, said, tries = 20) {
    if (!busy() || !STARTS_A_TURN.includes(what)) trigger(what, said);
    else if (tries) setTimeout(() => send(what, said, tries - 1), 50);
  }
  let upload = null;
  const $ = (selector, root = document) => root.querySelector(selector);

  /* -- buttons --------------------------------------------------------------------------------------------------- */

  function pressed(event) {
    if (justMarked) return;
    const copy = event.target.closest("[data-copy]");
    if (copy) return copyAnswer(copy);
    const one = event.target.closest("[data-do]");
    const figure = event.target.closest("#chat .seen");
    if (figure && !one) return view(figure.dataset.picture, figure);
    document.querySelectorAll("details.menu[open]").forEach((menu) => {
      if (!menu.contains(event.target) || one) menu.removeAttribute("open");
    });
    if (!one || one.matches("select, input")) return;
    const said = { ...one.dataset };
    if (said.do === "mark") return mark(one.closest(".seen"), said.box.split(",").map(Number));
    if (said.do === "view") return view(one.dataset.picture);
    if (said.confirm && !confirm(said.confirm)) return;
    if (said.ask) {
      said.answer = prompt(said.ask, said.value);
      if (said.answer === null) return;
    }
    if (said.do === "look") closeViewer();
    if (said.do === "look" || said.do === "unmark") forget();
    send(said.do, said);
  }

  function changed(event) {
    const one = event.target.closest("select[data-do], input[data-do]");
    if (!one || (one.matches("select") && !one.value)) return;
    send(one.dataset.do, { ...one.dataset, value: one.value, checked: String(one.checked) });
    if (one.matches("select")) one.value = "";
  }

  async function copyAnswer(one) {
    const text = $("." + one.dataset.copy, one.closest(".done")).innerText;
    try { await navigator.clipboard.writeText(text); one.textContent = "Copied"; } catch { one.textContent = "Cannot copy"; }
    setTimeout(() => { one.textContent = "Copy"; }, 1500);
  }

  /* -- pictures come in: chosen, dropped, pasted, taken ------------------------------------------------------------ */

  async function add(files) {
    const paths = [];
    for (const file of files) paths.push((await upload(file)).path);
    if (paths.length) send("pictures", { paths });
    $("#box textarea")?.focus();
  }

  async function addFolder(files) {
    const sent = [];
    for (const file of files) sent.push({ path: (await upload(file)).path, name: file.webkitRelativePath });
    send("add_task", { files: sent });
  }

  async function importThread([file]) {
    send("import_thread", { path: (await upload(file)).path });
  }

  function choose(options, then) {
    const input = Object.assign(document.createElement("input"), { type: "file", ...options });
    input.addEventListener("change", () => { if (input.files.length) then([...input.files]); });
    input.click();
  }

  const filesOf = (data) => [...(data?.files || [])];
  function dropped(event) {
    document.body.classList.remove("dropping");
    const files = filesOf(event.dataTransfer);
    if (!files.length) return;
    event.preventDefault();
    event.stopPropagation();
    add(files);
  }
  function dragged(event) {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  }
  function pasted(event) {
    const files = filesOf(event.clipboardData);
    if (!files.length) return;
    event.preventDefault();
    event.stopPropagation();
    add(files);
  }

  async function camera() {
    if (matchMedia("(pointer: coarse)").matches) return choose({ accept: "image/*", capture: "environment" }, add);
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: true });
    } catch {
      return alert("The camera cannot be used. Allow it for this page, or choose a picture instead.");
    }
    const dialog = $("#camera");
    const video = $("video", dialog);
    video.srcObject = stream;
    dialog.addEventListener("close", () => stream.getTracks().forEach((track) => track.stop()), { once: true });
    dialog.showModal();
    $("[data-take]", dialog).onclick = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
      canvas.getContext("2d").drawImage(video, 0, 0);
      canvas.toBlob((blob) => add([new File([blob], "camera.png", { type: "image/png" })]), "image/png");
      dialog.close();
    };
  }

  /* -- a region is marked: by dragging, or with the arrow keys in the viewer ---------------------------------------- */

  function mark(figure, box) {
    forget();
    show(figure, box);
    send("look", { picture: figure.dataset.picture, box: box.map((edge) => edge.toFixed(4)).join(",") });
    closeViewer();
    $("#box textarea")?.focus();
  }

  /* Only what the next message is about is drawn. */
  const forget = () => document.querySelectorAll("#chat .marked.drawn").forEach((one) => one.remove());

  let justMarked = false;
  const clamp = (value) => Math.min(1, Math.max(0, value));
  function show(figure, [x0, y0, x1, y1]) {
    let drawn = $(".marked.drawn", figure);
    if (!drawn) figure.append((drawn = Object.assign(document.createElement("span"), { className: "marked drawn" })));
    drawn.style.cssText = `left:${100 * x0}%;top:${100 * y0}%;width:${100 * (x1 - x0)}%;height:${100 * (y1 - y0)}%`;
  }

  function drag(event) {
    const figure = event.target.closest(".seen");
    const open = figure?.closest("dialog");
    // On a touch screen a drag scrolls the conversation; there, regions are marked in the viewer.
    if (!figure || event.button || (event.pointerType !== "mouse" && !open)) return;
    if (!event.target.closest("button")) event.preventDefault();
    const image = $("img", figure).getBoundingClientRect();
    const at = (e) => [clamp((e.clientX - image.left) / image.width), clamp((e.clientY - image.top) / image.height)];
    const [startX, startY] = at(event);
    const box = ([x, y]) => [Math.min(startX, x), Math.min(startY, y), Math.max(startX, x), Math.max(startY, y)];
    const move = (e) => { e.preventDefault(); show(figure, box(at(e))); };
    const end = (e) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointercancel", cancel);
      const [x0, y0, x1, y1] = box(at(e));
      if (x1 - x0 > SMALLEST && y1 - y0 > SMALLEST) {
        justMarked = true; // the click that ends the drag is none
        setTimeout(() => { justMarked = false; });
        return mark(figure, [x0, y0, x1, y1]);
      }
      $(".marked.drawn", figure)?.remove();
    };
    const cancel = () => { removeEventListener("pointermove", move); removeEventListener("pointerup", end); };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end, { once: true });
    addEventListener("pointercancel", cancel, { once: true });
  }

  const closeViewer = () => $("#viewer")?.close();
  function view(picture, figure) {
    const shown = figure || [...document.querySelectorAll(`#chat .seen[data-picture="${picture}"]`)].pop();
    const dialog = $("#viewer");
    const copy = shown ? shown.cloneNode(true) : thumbnail(picture);
    copy.tabIndex = 0;
    copy.setAttribute("role", "application");
    copy.setAttribute("aria-label", "Picture. Arrow keys move a region, with Shift they size it, Enter asks about it.");
    $(".stage", dialog).replaceChildren(copy);
    $("[data-do=look]", dialog).dataset.picture = picture;
    dialog.showModal();
    copy.focus();
  }
  function thumbnail(picture) {
    const figure = Object.assign(document.createElement("figure"), { className: "seen" });
    figure.dataset.picture = picture;
    figure.append(Object.assign(new Image(), { src: $(`.thumb[data-picture="${picture}"]`).dataset.large, alt: "picture" }));
    return figure;
  }

  function keys(event) {
    const figure = event.target.closest?.("#viewer .seen");
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Escape" && !$("dialog[open]")) busy()?.click();
    if (event.key === "Enter" && busy() && event.target.matches("#box textarea") && !event.shiftKey) {
      event.preventDefault(); // one turn at a time; the words stay in the box
      event.stopPropagation();
    }
    if (!figure || event.target !== figure) return;
    const box = figure.box || [0.35, 0.35, 0.65, 0.65];
    if (event.key === "Enter" && figure.box) {
      event.preventDefault(); // the message box gets the focus, and is not to get the key
      mark(figure, box);
    }
    const step = steps[event.key]?.map((by) => by * 0.02);
    if (!step) return;
    event.preventDefault();
    const [x0, y0, x1, y1] = box;
    const moved = event.shiftKey
      ? [x0, y0, clamp(Math.max(x0 + 0.02, x1 + step[0])), clamp(Math.max(y0 + 0.02, y1 + step[1]))]
      : [x0 + step[0], y0 + step[1], x1 + step[0], y1 + step[1]];
    if (moved.some((edge) => edge < 0 || edge > 1)) return;
    figure.box = moved;
    show(figure, moved);
  }

  /* -- the conversation: only the turns that changed are drawn again, so that what was unfolded stays so --------------- */

  function log(element, props, watch) {
    const list = $("ol", element);
    const page = element.closest("#chat");
    const draw = () => {
      const turns = props.value || [];
      const near = page.scrollHeight - page.scrollTop - page.clientHeight < 160;
      const grown = turns.length !== list.children.length;
      turns.forEach((html, position) => {
        let item = list.children[position];
        if (!item) list.append((item = document.createElement("li")));
        if (item.shown !== html) item.innerHTML = item.shown = html;
      });
      while (list.children.length > turns.length) list.lastChild.remove();
      page.classList.toggle("empty", !turns.length);
      if (grown) forget();
      if (near || grown) page.scrollTop = page.scrollHeight;
      announce(list.lastElementChild);
    };
    watch("value", draw);
    draw();
  }

  /* A switch that was clicked keeps its state whatever the HTML says; it is to show what the server has. */
  function switches(element, watch) {
    watch("value", () => element.querySelectorAll("input").forEach((one) => { one.checked = one.hasAttribute("checked"); }));
  }

  function announce(item) {
    const status = $("#status");
    if (!status) return;
    const done = item && $(".after", item);
    const words = done ? $(".answer", item).innerText : item && $(".ended", item)?.innerText;
    const running = item && $(".running .route", item)?.innerText;
    status.textContent = words || (running ? `Working: ${running}` : "");
  }

  /* -- start ------------------------------------------------------------------------------------------------------- */

  function start(tell, give) {
    [trigger, upload] = [tell, give];
    const on = (name, handler) => document.addEventListener(name, handler, true);
    on("click", pressed); on("change", changed); on("pointerdown", drag); on("keydown", keys);
    on("toggle", (event) => { if (event.target.matches?.(".step[open]")) event.target.scrollIntoView({ block: "nearest" }); });
    on("drop", dropped); on("dragover", dragged); on("paste", pasted);
    on("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
    on("click", (event) => {
      const tool = event.target.closest("[data-tool]")?.dataset.tool;
      if (tool === "add") choose({ accept: "image/*", multiple: true }, add);
      if (tool === "camera") camera();
      if (tool === "folder") choose({ webkitdirectory: true }, addFolder);
      if (tool === "import") choose({ accept: ".json,application/json" }, importThread);
      if (tool === "look") look(document.body.classList.toggle("dark") ? "dark" : "light");
      if (event.target.closest("[data-close]") || event.target.matches("dialog")) event.target.closest("dialog").close();
    });
  }

  /* The list of conversations starts open where it leaves room for the conversation itself. */
  function drawers() {
    const names = { conversations: "Conversations", drawer: "Tasks and settings" };
    for (const [id, name] of Object.entries(names)) $(`#${id} .toggle-button`)?.setAttribute("aria-label", name);
    const side = $("#conversations");
    if (side && matchMedia("(min-width: 1180px)").matches !== side.classList.contains("open")) $(".toggle-button", side).click();
  }

  const look = (chosen) => store(localStorage, "look", chosen);

  return {
    start, log, switches,
    /* The thread of this tab and the browser's threads, the newest first; read at each event, so that tabs add to one. */
    remember(thread) {
      const ids = JSON.parse(store(localStorage, "threads") || "[]").filter((id) => id !== thread);
      if (thread) ids.unshift(thread);
      store(localStorage, "threads", JSON.stringify(ids.slice(0, 200)));
      store(sessionStorage, "thread", thread || "");
      return JSON.stringify(ids);
    },
    last() {
      const chosen = store(localStorage, "look");
      if (chosen) document.body.classList.toggle("dark", chosen === "dark");
      drawers();
      return store(sessionStorage, "thread") || "";
    },
    relist: () => send("relist"),
    save(parcel) {
      if (!parcel) return;
      const { name, text } = JSON.parse(parcel);
      const link = Object.assign(document.createElement("a"), { download: name });
      link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    },
  };
})();
