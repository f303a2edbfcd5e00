// Runs queries, and shows what is answered as it comes. Everything it needs is this gateway's own.

const byId = (id) => document.getElementById(id);
const url = location.origin + location.pathname;
const answer = byId("answer");
let running = new AbortController();

function show(text) {
  answer.textContent += `${JSON.stringify(JSON.parse(text), null, 2)}\n`;
}

async function run() {
  running.abort();
  running = new AbortController();
  answer.textContent = "";
  const variables = JSON.parse(byId("variables").value || "{}");
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({ query: byId("query").value, variables }),
    signal: running.signal,
  });
  if (!response.headers.get("content-type").startsWith("text/event-stream")) {
    show(await response.text());
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (pending + value).split("\n\n");
    pending = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: "));
      if (data) show(data.slice(6));
    }
  }
}

function begin() {
  run().catch((error) => {
    if (error.name !== "AbortError") answer.textContent = String(error);
  });
}

byId("small").onsubmit = (event) => {
  event.preventDefault();
  begin();
};
byId("small").onkeydown = (event) => {
  if (event.ctrlKey && event.key === "Enter") begin();
};
byId("stop").onclick = () => running.abort();
