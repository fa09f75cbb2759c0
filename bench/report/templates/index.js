// Runs by kind, by verdict, and by words they contain.
const form = document.getElementById("find");
if (form) {
  const runs = [...document.querySelectorAll(".runs > li")];
  const apply = () => {
    const { kind, word, words } = Object.fromEntries(new FormData(form));
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const run of runs) {
      const text = run.textContent.toLowerCase();
      const fits = (!kind || run.dataset.kind === kind) && (!word || run.dataset.word === word)
        && wanted.every((each) => text.includes(each));
      run.hidden = !fits;
      shown += fits;
    }
    form.querySelector("output").textContent =
      shown === runs.length ? `${runs.length} runs` : `${shown} of ${runs.length} runs`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
}
