const LEFT = 130, TOP = 34, LANE = 34, BAR = 24;
const view = one('#view'), picture = one('#picture');
const bars = Array.from(one('#spans').children), clients = all('.client'), grid = Array.from(one('#grid').children);
const spans = data.spans.map(([from, to, point, lane, label]) => ({ from, to, point, lane, label }));
const state = { step: 58, scale: false };
const columns = data.moments.length, longest = Math.max(1, data.moments[columns - 1] || 0);
/* The x of a column; what lies past the last moment has no time. */
function place(column) {
  if (!state.scale || column >= columns) return LEFT + state.step * column;
  return LEFT + data.moments[column] / longest * state.step * Math.max(1, columns - 1);
}
function layout() {
  const width = Math.max(view.clientWidth, place(columns + 2));
  picture.setAttribute('width', width);
  all('.row').forEach((row) => row.setAttribute('width', width));
  let right = -Infinity;
  grid.forEach((line, column) => {
    const x = place(column), told = x - right >= 90;
    line.setAttribute('transform', `translate(${x},0)`);
    line.lastChild.textContent = told ? time(data.moments[column]) : '';
    if (told) right = x;
  });
  bars.forEach((bar, id) => {
    const { from, to, point, label } = spans[id], x = place(from), wide = Math.max(6, place(to) - x);
    const [rect, text, mark] = bar.children;
    rect.setAttribute('x', x); rect.setAttribute('width', wide);
    // The label keeps to the side of the point where there is more room.
    const cut = point < 0 ? wide : place(point) - x, before = cut >= wide - cut;
    const half = mark ? mark.children[1].width.baseVal.value / 2 + 4 : 0;
    const room = point < 0 ? wide - 16 : Math.max(cut, wide - cut) - half - 12;
    text.setAttribute('x', before || point < 0 ? x + 8 : x + cut + half);
    text.textContent = room < 14 ? '' : shorten(label, Math.floor(room / 6.6));
    if (mark) mark.setAttribute('transform', `translate(${place(point)},${TOP + LANE * spans[id].lane})`);
  });
  const way = data.order.filter((id) => spans[id].point >= 0)
    .map((id) => `${place(spans[id].point)} ${TOP + LANE * spans[id].lane + BAR / 2}`);
  one('#way').setAttribute('d', way.length ? 'M' + way.join('L') : '');
}
function zoom(step, anchor = view.clientWidth / 2) {
  const at = (view.scrollLeft + anchor - LEFT) / state.step;
  state.step = Math.min(400, Math.max(0.2, step));
  layout();
  view.scrollLeft = at * state.step + LEFT - anchor;
}
function show(id) {
  view.scrollLeft = place(spans[id].from) - view.clientWidth / 3;
  view.scrollTop = TOP + LANE * spans[id].lane - view.clientHeight / 2;
}
hover(picture, (target) => { const bar = target.closest('.s'); return bar ? bar.dataset.tip : ''; });
dragging(view);
/* The names of the clients stay in sight. */
view.addEventListener('scroll', () => clients.forEach((name) => name.setAttribute('x', 8 + view.scrollLeft)));
view.addEventListener('wheel', (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  zoom(state.step * Math.exp(-event.deltaY / 300), event.clientX - view.getBoundingClientRect().left);
}, { passive: false });
one('#in').onclick = () => zoom(state.step * 1.4);
one('#out').onclick = () => zoom(state.step / 1.4);
one('#fit').onclick = () => zoom((view.clientWidth - LEFT - 8) / (columns + 2));
one('#scale').onclick = () => {
  state.scale = !state.scale;
  one('#scale').setAttribute('aria-pressed', state.scale);
  layout();
};
const guilty = bars.findIndex((bar) => bar.classList.contains('guilty'));
one('#first').hidden = guilty < 0;
one('#first').onclick = () => show(guilty);
one('#find').oninput = () => {
  const words = one('#find').value.toLowerCase();
  const hits = bars.map((bar) => bar.dataset.tip.toLowerCase().includes(words));
  bars.forEach((bar, id) => bar.classList.toggle('dim', !hits[id]));
  one('#matches').textContent = words ? `${hits.filter(Boolean).length} of ${bars.length} match` : '';
  if (words && hits.includes(true)) show(hits.indexOf(true));
};
addEventListener('keydown', (event) => {
  if (event.target.tagName === 'INPUT' || event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = { '+': '#in', '=': '#in', '-': '#out', 0: '#fit' };
  if (keys[event.key]) one(keys[event.key]).click();
});
addEventListener('resize', layout);
layout();
if (guilty >= 0) show(guilty);
/* A few operations get the whole width, so that each has room for its words. */
if (LEFT + state.step * (columns + 2) < view.clientWidth) {
  zoom(Math.min(170, (view.clientWidth - LEFT - 8) / (columns + 2)));
}
