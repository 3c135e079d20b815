const one = (selector) => document.querySelector(selector);
const all = (selector) => Array.from(document.querySelectorAll(selector));
const data = JSON.parse(one('#data').textContent);
const tip = one('#tip');
function time(ns) {
  if (ns < 1000) return ns + ' ns';
  const [unit, name] = ns < 1e6 ? [1e3, 'µs'] : ns < 1e9 ? [1e6, 'ms'] : [1e9, 's'];
  const digits = Math.round(Math.log10(unit));
  const rest = String(ns % unit).padStart(digits, '0').replace(/0+$/, '');
  return Math.floor(ns / unit) + (rest ? '.' + rest : '') + ' ' + name;
}
function shorten(text, most) {
  const line = text.replace(/\s+/g, ' ');
  return line.length <= most ? line : line.slice(0, Math.max(0, most - 1)).trimEnd() + '…';
}
function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 6)) + 'px';
  tip.style.top = Math.max(4, y + 16 + box.height > innerHeight ? y - box.height - 10 : y + 16) + 'px';
}
const hideTip = () => { tip.hidden = true; };
/* Text for the element under the pointer: `says` of it, or what its data-tip holds. */
function hover(root, says) {
  root.addEventListener('mousemove', (event) => {
    const text = event.buttons ? '' : says(event.target);
    if (text) showTip(text, event.clientX, event.clientY); else hideTip();
  });
  root.addEventListener('mouseleave', hideTip);
}
/* Drag to pan a scrolling box; a click that moved is not a click. */
function dragging(view) {
  let from = null, moved = false;
  view.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || event.pointerType === 'touch') return;
    from = { x: event.clientX, y: event.clientY, left: view.scrollLeft, top: view.scrollTop };
    moved = false;
  });
  addEventListener('pointermove', (event) => {
    if (!from) return;
    const x = event.clientX - from.x, y = event.clientY - from.y;
    if (!moved && Math.abs(x) + Math.abs(y) < 5) return;
    moved = true;
    view.classList.add('dragged');
    view.scrollLeft = from.left - x;
    view.scrollTop = from.top - y;
  });
  addEventListener('pointerup', () => { from = null; view.classList.remove('dragged'); });
  view.addEventListener('click', (event) => { if (moved) { event.stopPropagation(); moved = false; } }, true);
}
