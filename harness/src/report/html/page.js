
// Cases: an outcome, an origin or a class that is not ticked is hidden; what all targets agree about, if that is asked for; and
// what has not the words that are typed.
const boxes = [...document.querySelectorAll('.filters input')];
const search = document.querySelector('[name=search]');
const filter = () => {
  const off = (name) => new Set(boxes.filter((box) => box.name === name && box.type === 'checkbox' && !box.checked).map((box) => box.value));
  const hidden = { verdict: off('verdict'), origin: off('origin'), class: off('class') };
  const differing = boxes.some((box) => box.name === 'differs' && box.checked);
  const words = (search?.value || '').toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const one of document.querySelectorAll('.case')) {
    const verdicts = (one.dataset.verdict || '').split(' ');
    const away = verdicts.every((word) => hidden.verdict.has(word)) || hidden.origin.has(one.dataset.origin)
      || hidden.class.has(one.dataset.class) || (differing && one.dataset.differs !== 'yes')
      || !words.every((word) => one.dataset.text.includes(word));
    one.classList.toggle('hidden', away);
    found += !away;
  }
  // Areas in which something was looked for are opened, and those without a case are not shown.
  for (const area of document.querySelectorAll('details.area')) {
    const rest = area.querySelectorAll('.case:not(.hidden)').length;
    area.classList.toggle('hidden', rest === 0);
    if ((words.length || differing) && rest) area.open = true;
  }
  const said = document.querySelector('.found');
  if (said) said.textContent = `${found} shown`;
};
boxes.forEach((box) => box.addEventListener(box.type === 'search' ? 'input' : 'change', filter));

// Pictures: what the lines are at the mouse; a stretch of the axis that is dragged over fills the picture, a double click undoes it.
const three = (value) => value.toFixed(Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 9.995 ? 1 : 2);
const scaled = (value, units) => { const [size, unit] = units.find(([size]) => value >= size) || units.at(-1); return `${three(value / size)} ${unit}`; };
const show = {
  time: (value) => scaled(value, [[1e9, 's'], [1e4, 'ms', 1e6], [1e3, 'us'], [1, 'ns']].map(([from, unit, size]) => [size || from, unit])),
  second: (value) => `${value.toFixed(1)} s`,
  count: (value) => Math.round(value).toLocaleString('en-US'),
  bytes: (value) => scaled(value, [[1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB'], [1, 'B']]),
  cores: (value) => value.toFixed(2),
  'one-in': (value) => `p${(100 - 100 / Math.max(value, 1)).toPrecision(6).replace(/\.?0+$/, '')}`,
};
const svgElement = (name, attributes, parent) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
};
for (const svg of document.querySelectorAll('svg[data-x]')) {
  const axis = (text) => { const [from, to, log, unit] = text.split(' '); return { from: +from, to: +to, log: log === '1', unit }; };
  const x = axis(svg.dataset.x), y = axis(svg.dataset.y);
  const [left, top, width, height] = svg.dataset.area.split(' ').map(Number);
  const area = svg.querySelector('.area'), ticks = svg.querySelector('.ticks'), names = svg.querySelector('.names');
  const whole = ticks.innerHTML;
  const lines = [...svg.querySelectorAll('polyline')].map((line) => ({
    name: line.querySelector('title').textContent,
    points: line.getAttribute('points').trim().split(/\s+/).map((pair) => pair.split(',').map(Number)),
  }));
  let seen = { from: left, width };
  const value = (of, share) => of.log ? of.from * (of.to / of.from) ** share : of.from + share * (of.to - of.from);
  const place = (event) => {
    const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
    const on = (event.clientX - box.left) / box.width * view.width;
    return Math.min(Math.max(on, left), left + width);
  };
  const inside = (on) => seen.from + (on - left) / width * seen.width;
  const hover = svgElement('g', { class: 'hover', 'pointer-events': 'none' }, svg);
  const look = (from, size) => {
    seen = { from, width: size };
    area.setAttribute('viewBox', `${from} ${top} ${size} ${height}`);
    const near = size < width;
    names.style.display = near ? 'none' : '';
    ticks.innerHTML = near ? '' : whole;
    for (let n = 0; near && n <= 5; n += 1) {
      const label = show[x.unit](value(x, (inside(left + n * width / 5) - left) / width));
      svgElement('text', { x: left + n * width / 5, y: top + height + 16, 'text-anchor': 'middle' }, ticks).textContent = label;
    }
  };
  let start = null, band = null;
  svg.addEventListener('mousedown', (event) => { start = place(event); event.preventDefault(); });
  svg.addEventListener('dblclick', () => look(left, width));
  window.addEventListener('mouseup', (event) => {
    if (start === null) return;
    const [from, to] = [start, place(event)].sort((a, b) => a - b).map(inside);
    start = null;
    band?.remove();
    band = null;
    if (to - from > 0.02 * seen.width) look(from, to - from);
  });
  svg.addEventListener('mouseleave', () => hover.replaceChildren());
  svg.addEventListener('mousemove', (event) => {
    const on = place(event), at = inside(on);
    if (start !== null) {
      band ||= svgElement('rect', { class: 'chosen', y: top, height }, svg);
      band.setAttribute('x', Math.min(start, on));
      band.setAttribute('width', Math.abs(on - start));
    }
    hover.replaceChildren();
    svgElement('line', { x1: on, x2: on, y1: top, y2: top + height }, hover);
    const said = [show[x.unit](value(x, (at - left) / width))];
    for (const line of lines) {
      const [, down] = line.points.reduce((best, point) => Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best);
      said.push(`${line.name} ${show[y.unit](value(y, 1 - (down - top) / height))}`);
    }
    const long = Math.max(...said.map((text) => text.length)) * 6.4 + 12, right = on + long + 8 > left + width;
    const box = { x: right ? on - long - 6 : on + 6, y: top + 2, width: long, height: said.length * 14 + 6 };
    svgElement('rect', box, hover);
    said.forEach((text, row) => { svgElement('text', { x: box.x + 6, y: box.y + 14 + row * 14 }, hover).textContent = text; });
  });
}
