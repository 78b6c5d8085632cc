// The bit painter: draws the state that Python computes, and sends back which bit was flipped.
// Mouse: click a bit. Keyboard: Tab to the row, arrows move, Space flips, + and - step to the neighbour.

const STYLE = `
.bp{--s:#c14f00;--e:#0072B2;--m:#00785a;--ink:var(--jp-ui-font-color1,#1f2328);--soft:var(--jp-ui-font-color2,#57606a);
--line:var(--jp-border-color2,#d0d7de);--bg:var(--jp-layout-color1,#fff);--bg2:var(--jp-layout-color2,#f6f8fa);
color:var(--ink);font:14px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);max-width:980px;padding:4px 2px 8px}
[data-jp-theme-light="false"] .bp{--s:#ff9a4d;--e:#6cc3f5;--m:#35c7a0}
.bp .bp-line{display:flex;flex-wrap:wrap;gap:6px;align-items:center;margin:6px 0}
.bp button{font:inherit;font-size:13px;color:var(--ink);background:var(--bg2);border:1px solid var(--line);border-radius:5px;
padding:2px 10px;cursor:pointer}
.bp .bp-line button[aria-pressed="true"]{background:var(--e);color:var(--bg);border-color:var(--e)}
.bp button:focus-visible,.bp .bp-bit:focus-visible,.bp input:focus-visible{outline:3px solid #E69F00;outline-offset:1px}
.bp input{font:13px var(--jp-code-font-family,monospace);color:var(--ink);background:var(--bg);border:1px solid var(--line);
border-radius:4px;padding:2px 6px;width:11em}
.bp input.bp-bad{border:2px solid #c14f00}
.bp .bp-bits{display:flex;flex-wrap:wrap;gap:2px;row-gap:4px}
.bp .bp-bit{flex:0 0 auto;width:24px;text-align:center;border:0;background:none;padding:0;border-radius:4px;cursor:pointer;color:var(--c)}
.bp .bp-bit b{display:block;height:28px;line-height:26px;border:1.5px solid var(--c);border-radius:4px;box-sizing:border-box;
font:600 14px/25px var(--jp-code-font-family,monospace);background:var(--bg)}
.bp .bp-bit.on b{background:var(--c);color:var(--bg)}
.bp .bp-bit i{display:block;font:normal 9px/12px var(--jp-code-font-family,monospace);color:var(--soft)}
.bp .S{--c:var(--s)}.bp .E{--c:var(--e)}.bp .M{--c:var(--m)}.bp .H{--c:var(--m);cursor:default}
.bp .H b{border-style:dashed;opacity:.75}
.bp .bp-eq{font-size:15px;margin:4px 0}.bp .bp-soft{color:var(--soft);font-size:13px}
.bp .bp-legend span{margin-right:16px}.bp .bp-legend u{display:inline-block;width:16px;text-align:center;border-radius:3px;color:var(--bg);
background:var(--c);text-decoration:none;font:600 11px/16px var(--jp-code-font-family,monospace);margin-right:5px}
.bp table{border-collapse:collapse;margin:2px 0;font-size:13px}
.bp td,.bp th{padding:3px 12px 3px 0;text-align:left;border:0;border-top:1px solid var(--line);background:none;vertical-align:top}
.bp th{color:var(--soft);font-weight:600}
.bp code{font:12px var(--jp-code-font-family,monospace);background:none;padding:0;color:inherit;white-space:nowrap}
.bp code .S,.bp code .E,.bp code .M{color:var(--c)}
.bp .bp-wide{overflow-x:auto}`;

const NAMES = { S: "sign", E: "exponent", M: "mantissa" };

function element(tag, cls, text) {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  if (text !== undefined) node.textContent = text;
  return node;
}

function bitButton(view, state, index, tabbed) {
  const bits = state.bits.length, on = state.bits[index] === "1", part = state.parts[index];
  const button = element("button", `bp-bit ${part}${on ? " on" : ""}`);
  button.append(element("b", "", state.bits[index]), element("i", "", `${bits - 1 - index}`));
  button.tabIndex = tabbed ? 0 : -1;
  button.setAttribute("aria-label", `bit ${bits - 1 - index}, ${NAMES[part]}, ${state.bits[index]}`);
  button.setAttribute("aria-pressed", on ? "true" : "false");
  button.dataset.bit = index;
  button.onclick = () => view.flip(index);
  return button;
}

function bitRow(view, state) {
  const row = element("div", "bp-bits");
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", `bits of ${state.label}: arrows move, space flips`);
  for (let i = 0; i < state.bits.length; i++) {
    if (state.hidden !== "" && state.parts[i] === "M" && state.parts[i - 1] !== "M") {
      const hidden = element("span", "bp-bit H");
      hidden.title = "the hidden bit: not stored";
      hidden.append(element("b", "", state.hidden), element("i", "", "hid"));
      row.append(hidden);
    }
    row.append(bitButton(view, state, i, i === view.cursor));
  }
  row.onkeydown = (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -99, End: 99 };
    if (event.key in moves) view.move(moves[event.key]);
    else if (event.key === "+" || event.key === "ArrowUp") view.step(1);
    else if (event.key === "-" || event.key === "ArrowDown") view.step(-1);
    else return;
    event.preventDefault();
  };
  return row;
}

function pressed(label, on, click, title) {
  const button = element("button", "", label);
  button.setAttribute("aria-pressed", on ? "true" : "false");
  if (title) button.title = title;
  button.onclick = click;
  return button;
}

function field(view, name, value) {
  const input = element("input");
  input.value = value;
  input.setAttribute("aria-label", name === "hex" ? "the word in hexadecimal" : "the value as a decimal number");
  if (view.model.get("bad") === name) input.classList.add("bp-bad");
  const send = () => input.value !== value && view.send({ [name]: input.value });
  input.onchange = send;
  input.onkeydown = (event) => event.key === "Enter" && send();
  return input;
}

function otherRows(state) {
  const table = element("table");
  const head = element("tr");
  for (const text of ["the same number as", "bits", "holds", "relative error"]) head.append(element("th", "", text));
  table.append(head);
  for (const row of state.rows) {
    const line = element("tr");
    const bits = element("td"), code = element("code");
    for (let i = 0; i < row.bits.length; i++) {
      if (i && row.parts[i] !== row.parts[i - 1]) code.append(" ");
      code.append(element("span", row.parts[i], row.bits[i]));
    }
    bits.append(code);
    line.append(element("td", "", row.label), bits, element("td", "", row.value), element("td", "", row.error));
    table.append(line);
  }
  const wide = element("div", "bp-wide");
  wide.append(table);
  return wide;
}

function render({ model, el }) {
  const root = element("div", "bp");
  root.dataset.lmSuppressShortcuts = "true"; // else JupyterLab takes the arrows and Enter for itself
  const style = element("style");
  style.textContent = STYLE;
  el.append(style, root);
  const view = {
    model,
    cursor: 0,
    focus: false,
    send(request) {
      model.set("request", { ...request, n: (model.get("request").n || 0) + 1 });
      model.save_changes();
    },
    flip(index) {
      view.cursor = index;
      view.focus = true;
      view.send({ flip: index });
    },
    step(by) {
      view.focus = true;
      view.send({ step: by });
    },
    move(by) {
      const last = model.get("state").bits.length - 1;
      view.cursor = Math.max(0, Math.min(last, view.cursor + by));
      view.focus = true;
      draw();
    },
  };

  function draw() {
    const state = model.get("state");
    if (!state.bits) return;
    view.cursor = Math.min(view.cursor, state.bits.length - 1);
    root.replaceChildren();
    const formats = element("div", "bp-line");
    formats.setAttribute("role", "group");
    formats.setAttribute("aria-label", "number format");
    for (const [key, label] of state.formats) formats.append(pressed(label, key === state.format, () => view.send({ format: key })));
    const legend = element("div", "bp-legend bp-soft");
    for (const [part, count] of Object.entries(state.counts)) {
      const item = element("span", part);
      item.append(element("u", "", part), element("span", "bp-soft", `${NAMES[part]}, ${count} ${count === 1 ? "bit" : "bits"}`));
      legend.append(item);
    }
    const equation = element("div", "bp-eq");
    equation.setAttribute("role", "status");
    equation.innerHTML = state.equation;
    const facts = element("div", "bp-soft", state.facts);
    const inputs = element("div", "bp-line");
    inputs.append(element("span", "bp-soft", "word"), field(view, "hex", state.hex), element("span", "bp-soft", "value"),
      field(view, "decimal", state.value), pressed("− one step", false, () => view.send({ step: -1 })),
      pressed("+ one step", false, () => view.send({ step: 1 })));
    const presets = element("div", "bp-line");
    for (const name of state.presets) presets.append(pressed(name, false, () => view.send({ preset: name })));
    root.append(formats, legend, bitRow(view, state), equation, facts, inputs, presets, otherRows(state));
    if (view.focus) {
      const at = root.querySelector(`[data-bit="${view.cursor}"]`);
      if (at) at.focus();
      view.focus = false;
    }
  }
  model.on("change:state", draw);
  model.on("change:bad", draw);
  draw();
}

export default { render };
