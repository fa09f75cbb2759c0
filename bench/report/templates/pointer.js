// What is under the pointer, or was tapped, in a diagram: its contents in a box that follows.
{
  const box = document.getElementById("contents-of");
  const told = (target) => {
    const element = target instanceof Element && target.closest(".diagram svg, .picture svg") ? target : null;
    if (!element) return null;
    for (let each = element; each && each.tagName !== "svg"; each = each.parentNode) {
      const title = each.querySelector(":scope > title");
      if (title) { each.dataset.told = title.textContent; title.remove(); }  // else the browser shows it a second time
      if (each.dataset.told) return each.dataset.told;
    }
    return null;
  };
  const show = (event) => {
    const text = told(event.target);
    box.hidden = !text;
    if (!text) return;
    box.textContent = text;
    const { clientWidth: width, clientHeight: height } = document.documentElement;
    const left = Math.max(8, Math.min(event.clientX + 14, width - box.offsetWidth - 8));
    const below = event.clientY + 18;
    box.style.left = `${left}px`;
    box.style.top = `${below + box.offsetHeight < height ? below : Math.max(8, event.clientY - box.offsetHeight - 12)}px`;
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("scroll", () => { box.hidden = true; }, true);
}

// A command is there to be copied.
for (const command of document.querySelectorAll(".command")) {
  if (!navigator.clipboard) continue;
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "copy" });
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command.querySelector("code").textContent);
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
  command.append(" ", button);
}
