const base = BigInt(data.base);
const events = data.events.map(([process, at, label, detail, lamport, learned], id) =>
  ({ id, process, at, label, detail, lamport, learned, causes: [], sends: [], vector: null, y: 0, shown: true }));
const messages = data.messages.map(([send, receive, kind, text, to, lost]) => ({ send, receive, kind, text, to, lost }));
const marks = Array.from(one('#events').children), arrows = Array.from(one('#messages').children);
const bands = Array.from(one('#troubles').children), lines = Array.from(one('#lines').children), heads = all('#heads .process');
const view = one('#view'), picture = one('#picture'), axis = one('#axis'), lit = one('#lit');
marks.forEach((mark, id) => { events[id].sort = mark.classList[1]; events[id].lit = mark.classList.contains('lit'); events[id].left = mark.lastChild.classList.contains('l'); });
{ // Causes, and the vectors from what each event learned.
  const last = data.processes.map(() => null);
  for (const id of data.order) {
    const event = events[id], before = last[event.process];
    event.vector = before === null ? data.processes.map(() => 0) : events[before].vector.slice();
    for (let at = 0; at < event.learned.length; at += 2) event.vector[event.learned[at]] = event.learned[at + 1];
    event.vector[event.process] += 1;
    if (before !== null) event.causes.push({ event: before, message: -1 });
    last[event.process] = id;
  }
  messages.forEach((message, id) => {
    events[message.send].sends.push(id);
    if (message.receive >= 0) events[message.receive].causes.push({ event: message.send, message: id });
  });
}
const knows = (a, b) => a.vector.every((count, process) => count <= b.vector[process]);
function relation(a, b) {
  const before = knows(a, b), after = knows(b, a);
  return before && after ? 'same' : before ? 'before' : after ? 'after' : 'concurrent';
}
/* The shortest chain of causes from `a` to `b`, as {event, message that led to it}. */
function causalPath(a, b) {
  const seen = new Map([[b.id, null]]), queue = [b.id];
  while (queue.length && !seen.has(a.id)) {
    const id = queue.shift();
    for (const cause of events[id].causes) {
      if (seen.has(cause.event) || !knows(a, events[cause.event])) continue;
      seen.set(cause.event, { event: id, message: cause.message });
      queue.push(cause.event);
    }
  }
  const path = [{ event: a.id, message: -1 }];
  for (let step = seen.get(a.id); step; step = seen.get(step.event)) path.push(step);
  return path;
}

const LEFT = 240, TOP = 24, RIGHT = 150, BAND = 26;
const state = { row: 26, scale: false, only: false, words: '', from: -Infinity, to: Infinity,
  processes: new Set(), kinds: new Set(), sorts: new Set(), chosen: [], cursor: -1, gap: 190, height: 0, column: [] };
const found = (text) => text.toLowerCase().includes(state.words);
function matches(event) {
  return found(event.label) || found(event.detail)
    || event.sends.some((id) => found(messages[id].text) || found(data.kinds[messages[id].kind]))
    || event.causes.some(({ message }) => message >= 0 && (found(messages[message].text) || found(data.kinds[messages[message].kind])));
}
/* A hidden kind of message takes the events away that only carried it. */
function carriesHidden(event) {
  const own = event.sends.concat(event.causes.map((cause) => cause.message).filter((id) => id >= 0));
  return own.length > 0 && own.every((id) => state.kinds.has(messages[id].kind));
}
function filter() {
  let count = 0;
  for (const event of events) {
    event.matches = state.words !== '' && matches(event);
    if (event.matches) count++;
    event.shown = !state.processes.has(event.process) && !state.sorts.has(event.sort)
      && event.at >= state.from && event.at <= state.to && !carriesHidden(event)
      && !(state.only && state.words && !event.matches);
  }
  one('#matches').textContent = state.words ? `${count} of ${events.length} match` : '';
  layout();
}
function layout() {
  const columns = data.processes.map((_, process) => process).filter((process) => !state.processes.has(process));
  const room = view.clientWidth - LEFT - RIGHT;
  state.gap = Math.min(420, Math.max(150, columns.length > 1 ? room / (columns.length - 1) : 150));
  state.column = data.processes.map((_, process) => LEFT + state.gap * columns.indexOf(process));
  const shown = data.order.filter((id) => events[id].shown);
  state.height = Math.min(2e6, Math.max(1, shown.length - 1) * state.row);
  const first = Math.min(...shown.map((id) => events[id].at)), last = Math.max(...shown.map((id) => events[id].at));
  let rows = 0, y = TOP;
  for (const id of data.order) {
    const event = events[id];
    if (event.shown) {
      y = TOP + (state.scale ? (event.at - first) / Math.max(1, last - first) : rows / Math.max(1, shown.length - 1)) * state.height;
      rows++;
    }
    event.y = y;
  }
  place(columns.length);
}
function place(columns) {
  const width = Math.max(view.clientWidth - 2, LEFT + state.gap * Math.max(0, columns - 1) + RIGHT);
  const height = Math.max(state.height + TOP * 3, view.clientHeight - 34);
  picture.classList.toggle('dense', !state.scale && state.row < 6);
  picture.setAttribute('width', width); picture.setAttribute('height', height);
  one('#heads').setAttribute('width', width);
  const most = Math.floor((state.gap - 34) / 6.6);
  heads.forEach((head, process) => {
    head.classList.toggle('gone', state.processes.has(process));
    head.setAttribute('x', state.column[process]);
    head.textContent = shorten(data.processes[process], most);
  });
  data.lives.forEach(([process, from, to], id) => {
    const start = from < 0 ? 0 : events[from].y, end = to < 0 ? height : events[to].y;
    lines[id].setAttribute('d', `M${state.column[process]} ${start}V${end}`);
    lines[id].classList.toggle('gone', state.processes.has(process));
  });
  data.troubles.forEach(([process, from, until], id) => {
    const start = events[from].y, end = until < 0 ? height : events[until].y, all = process < 0;
    const sizes = { x: all ? LEFT - 45 : state.column[process] - BAND / 2, y: start,
      width: all ? width - LEFT : BAND, height: Math.max(0, end - start) };
    for (const [name, size] of Object.entries(sizes)) bands[id].setAttribute(name, size);
    bands[id].classList.toggle('gone', state.processes.has(process));
  });
  messages.forEach((message, id) => placeMessage(message, arrows[id]));
  placeLabels(most);
  placeAxis();
  light();
}
function placeMessage(message, arrow) {
  const send = events[message.send], receive = events[message.receive];
  const shown = send.shown && (!receive || receive.shown) && !state.kinds.has(message.kind);
  arrow.classList.toggle('gone', !shown);
  arrow.classList.toggle('dim', state.words !== '' && !send.matches && !(receive && receive.matches));
  if (shown) arrow.setAttribute('d', shape(message));
}
function shape(message) {
  const send = events[message.send], receive = events[message.receive];
  const x = state.column[send.process];
  if (!receive) {
    const back = message.to < send.process;
    return `M${x} ${send.y}L${x + (back ? -0.4 : 0.4) * state.gap} ${send.y + Math.min(26, state.row)}`;
  }
  const end = state.column[receive.process];
  if (end === x) return `M${x} ${send.y}Q${x + 40} ${(send.y + receive.y) / 2} ${x} ${receive.y}`;
  const length = Math.hypot(end - x, receive.y - send.y), short = 5 / length;
  return `M${x} ${send.y}L${end - (end - x) * short} ${receive.y - (receive.y - send.y) * short}`;
}
const weighty = { fault: 1, crash: 1, start: 1, pause: 1, client: 1 };
const weight = (event) => (event.lit ? 2 : 0) + (weighty[event.sort] || 0);
function placeLabels(most) {
  const last = new Map();
  for (const id of data.order) {
    const event = events[id], mark = marks[id], text = mark.lastChild;
    mark.classList.toggle('gone', !event.shown);
    mark.classList.toggle('dim', state.words !== '' && !event.matches);
    mark.classList.toggle('found', event.matches);
    if (!event.shown) continue;
    mark.setAttribute('transform', `translate(${state.column[event.process]},${event.y})`);
    // Two labels share a band between two lines: the one below yields, unless it weighs more.
    const band = event.process * 2 + (event.left ? 0 : 1) - (event.left ? 1 : 0);
    const above = last.get(band);
    let visible = !above || event.y - above.y >= 12;
    if (!visible && weight(event) > weight(above)) {
      marks[above.id].lastChild.classList.add('gone');
      visible = true;
    }
    visible &&= state.scale || state.row >= 6 || weight(event) > 0 || event.matches;
    text.classList.toggle('gone', !visible);
    if (!visible) continue;
    text.textContent = shorten(event.label, band < 0 ? Math.min(most, 22) : most);
    last.set(band, event);
  }
}
function placeAxis() {
  axis.replaceChildren();
  let below = -Infinity;
  for (const id of data.order) {
    const event = events[id];
    if (!event.shown || event.y - below < 36) continue;
    below = event.y;
    const text = document.createElementNS(picture.namespaceURI, 'text');
    text.setAttribute('x', 6); text.setAttribute('y', event.y + 4);
    text.textContent = time(event.at);
    axis.append(text);
  }
}

const where = (event) => `${data.processes[event.process]}, ${when(event.at)}`;
const when = (at) => time(at) + (base > 0n ? ` after ${base} ns` : '');
function clocksOf(event) {
  const known = event.vector.map((count, process) => [data.processes[process], count]);
  const vector = known.length <= 8 ? known : known.filter(([, count]) => count > 0);
  return `Lamport ${event.lamport}, vector (${vector.map(([name, count]) => name + ': ' + count).join(', ')})`;
}
function says(event) {
  const parts = [event.label || event.sort, where(event) + ', ' + event.sort];
  if (event.detail) parts.push(event.detail);
  for (const id of event.sends) parts.push('→ ' + message(id));
  for (const cause of event.causes) if (cause.message >= 0) parts.push('← ' + message(cause.message));
  return parts.concat(clocksOf(event)).join('\n');
}
function message(id) {
  const { send, kind, text, to, lost } = messages[id];
  const ways = `${data.kinds[kind]} from ${data.processes[events[send].process]} to ${data.processes[to]}`;
  return `${ways}${lost ? ' (' + lost + ')' : ''}${text ? ': ' + text : ''}`;
}
function troubleSays([, from, until, label]) {
  return `${label}\nfrom ${when(events[from].at)} ${until < 0 ? 'to the end' : 'to ' + when(events[until].at)}`;
}
function light() {
  lit.replaceChildren();
  marks.forEach((mark) => mark.classList.remove('chosen', 'way'));
  const chosen = state.chosen.map((id) => events[id]);
  chosen.forEach((event) => marks[event.id].classList.add('chosen'));
  one('#clear').hidden = chosen.length === 0;
  one('#chosen').replaceChildren(...chosen.map((event) => {
    const item = document.createElement('li');
    item.textContent = says(event);
    return item;
  }));
  const name = (event) => `“${shorten(event.label || event.sort, 40)}” (${where(event)})`;
  if (chosen.length < 2) {
    one('#relation').textContent = chosen.length ? 'Now click a second event.'
      : 'Click an event, then a second one, to see which came first.';
    return;
  }
  const [a, b] = chosen, how = relation(a, b);
  one('#relation').dataset.relation = how;
  if (how === 'concurrent') {
    one('#relation').textContent = `${name(a)} and ${name(b)} are concurrent: neither can have caused the other.`;
    return;
  }
  const path = how === 'before' ? causalPath(a, b) : causalPath(b, a);
  const carried = path.filter((step) => step.message >= 0).length;
  one('#relation').textContent = `${name(a)} is ${how} ${name(b)}: the causal path has ${path.length - 1} steps, `
    + `${carried} of them messages.`;
  lightPath(path);
}
function lightPath(path) {
  path.forEach((step, at) => {
    marks[step.event].classList.add('way');
    if (at === 0) return;
    const before = events[path[at - 1].event], event = events[step.event];
    if (!before.shown || !event.shown) return;
    const line = document.createElementNS(picture.namespaceURI, 'path');
    line.setAttribute('d', step.message >= 0 ? shape(messages[step.message])
      : `M${state.column[before.process]} ${before.y}V${event.y}`);
    lit.append(line);
  });
}

function choose(id) {
  const at = state.chosen.indexOf(id);
  if (at >= 0) state.chosen.splice(at, 1);
  else state.chosen = state.chosen.length === 2 ? [id] : state.chosen.concat(id);
  light();
}
/* The next event in sight, up or down the page, for who has no mouse. */
function walk(step) {
  const shown = data.order.filter((id) => events[id].shown), at = shown.indexOf(state.cursor);
  if (shown.length === 0) return;
  state.cursor = shown[at < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, at + step))];
  const event = events[state.cursor];
  if (event.y < view.scrollTop || event.y > view.scrollTop + view.clientHeight - 80) view.scrollTop = event.y - view.clientHeight / 2;
  marks.forEach((mark, id) => mark.classList.toggle('cursor', id === state.cursor));
  one('#cursor').textContent = says(event);
}
function zoom(row, anchor = view.clientHeight / 2) {
  const before = state.row, at = view.scrollTop + anchor - TOP - 30;
  state.row = Math.min(400, Math.max(0.05, row));
  layout();
  view.scrollTop = at * (state.row / before) + TOP + 30 - anchor;
}
const fitted = () => (view.clientHeight - 34 - TOP * 3) / Math.max(1, events.filter((event) => event.shown).length - 1);
function nextMatch() {
  const top = view.scrollTop + view.clientHeight / 2 + 2;
  const wanted = (event) => state.words ? event.matches : event.lit;
  const found = data.order.map((id) => events[id]).filter((event) => wanted(event) && event.shown);
  const next = found.find((event) => event.y > top) || found[0];
  if (next) view.scrollTop = next.y - view.clientHeight / 2;
}
/* '12', '12 ms' or '1.5s' in nanoseconds; a bare number is in milliseconds. */
function parseTime(text, otherwise) {
  const parts = text.trim().match(/^(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|)$/);
  if (!parts) return otherwise;
  return Number(parts[1]) * { ns: 1, us: 1e3, 'µs': 1e3, ms: 1e6, s: 1e9, '': 1e6 }[parts[2]];
}
const indexIn = (list, target, selector) => { const hit = target.closest(selector); return hit ? list.indexOf(hit) : -1; };
hover(picture, (target) => {
  const event = indexIn(marks, target, '#events > .e'), arrow = indexIn(arrows, target, '#messages > .m');
  if (event >= 0) return says(events[event]);
  const band = indexIn(bands, target, '#troubles > rect');
  if (band >= 0) return troubleSays(data.troubles[band]);
  if (arrow < 0) return '';
  const { send, receive } = messages[arrow];
  const taken = receive < 0 ? '' : `\ntook ${time(Math.max(0, events[receive].at - events[send].at))}`;
  return message(arrow) + `\nsent at ${when(events[send].at)}` + taken;
});
picture.addEventListener('click', (event) => {
  const id = indexIn(marks, event.target, '#events > .e');
  if (id >= 0) choose(id);
});
dragging(view);
view.addEventListener('wheel', (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  zoom(state.row * Math.exp(-event.deltaY / 300), event.clientY - view.getBoundingClientRect().top);
}, { passive: false });
one('#in').onclick = () => zoom(state.row * 1.4);
one('#out').onclick = () => zoom(state.row / 1.4);
one('#fit').onclick = () => zoom(fitted());
one('#normal').onclick = () => zoom(26);
function toggle(button, name) {
  button.onclick = () => {
    state[name] = !state[name];
    button.setAttribute('aria-pressed', state[name]);
    filter();
  };
}
toggle(one('#scale'), 'scale');
toggle(one('#only'), 'only');
one('#find').oninput = () => { state.words = one('#find').value.toLowerCase(); filter(); };
one('#find').onkeydown = (event) => { if (event.key === 'Enter') nextMatch(); };
one('#next').onclick = nextMatch;
one('#clear').onclick = () => { state.chosen = []; light(); };
for (const side of ['from', 'to']) {
  one('#' + side).onchange = () => {
    state[side] = parseTime(one('#' + side).value, side === 'from' ? -Infinity : Infinity);
    filter();
  };
}
for (const [name, set] of [['process', 'processes'], ['kind', 'kinds'], ['event', 'sorts']]) {
  all(`input[data-${name}]`).forEach((box) => {
    const value = name === 'event' ? box.dataset.event : Number(box.dataset[name]);
    box.onchange = () => { if (box.checked) state[set].delete(value); else state[set].add(value); filter(); };
  });
}
one('#reset').onclick = () => {
  for (const set of [state.processes, state.kinds, state.sorts]) set.clear();
  Object.assign(state, { words: '', from: -Infinity, to: Infinity, only: false });
  for (const field of all('.tools input')) field.value = '';
  one('#only').setAttribute('aria-pressed', false);
  all('aside input').forEach((box) => { box.checked = true; });
  filter();
};
addEventListener('keydown', (event) => {
  if (event.target.tagName === 'INPUT' && event.target.type !== 'checkbox') return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'n' || event.key === 'p') walk(event.key === 'n' ? 1 : -1);
  if (event.key === 'Enter' && event.target === view && state.cursor >= 0) choose(state.cursor);
  const keys = { '+': '#in', '=': '#in', '-': '#out', 0: '#fit', 1: '#normal', Escape: '#clear' };
  if (keys[event.key]) one(keys[event.key]).click();
});
addEventListener('resize', layout);
filter();
