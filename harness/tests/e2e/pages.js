// What is wrong with the structure of a page, in words. Nothing of it depends on fonts or on how fast the machine is.
const wrong = [];
const say = (what) => wrong.push(what);
const box = (element) => element.getBoundingClientRect();
const isSeen = (element) => { const { width, height } = box(element); return width > 0 && height > 0; };
const meets = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
const wide = document.documentElement.scrollWidth;
if (wide > window.innerWidth) say(`the page is ${wide} px wide in a window of ${window.innerWidth}`);
for (const element of document.querySelectorAll('main > *, figure, pre, .scroll')) {
  if (isSeen(element) && box(element).right > window.innerWidth + 1) say(`${element.tagName} .${element.className} ends at ${box(element).right}`);
}
// In a picture no text lies over another, none is cut off, all can be read, and no two labels of an axis are the same.
let pictures = 0;
for (const svg of document.querySelectorAll('figure svg.wide, figure svg.narrow')) {
  if (!isSeen(svg)) continue;
  pictures += 1;
  const title = svg.parentElement.getAttribute('aria-label').slice(0, 60);
  const frame = box(svg);
  const texts = [...svg.querySelectorAll('text')].filter(isSeen).map((text) => ({ says: text.textContent, at: box(text) }));
  texts.forEach((one, index) => {
    if (one.at.height < 8.5) say(`${title}: "${one.says}" is ${one.at.height.toFixed(1)} px high`);
    if (one.at.left < frame.left - 1 || one.at.right > frame.right + 1) say(`${title}: "${one.says}" is cut off`);
    for (const other of texts.slice(index + 1)) if (meets(one.at, other.at)) say(`${title}: "${one.says}" lies over "${other.says}"`);
  });
  const axes = svg.querySelector('.area') ? [svg.querySelectorAll('.ticks text'), svg.querySelectorAll(':scope > text[text-anchor=end]')] : [];
  for (const labels of axes) {
    const all = [...labels].map((label) => label.textContent);
    if (new Set(all).size < all.length) say(`${title}: an axis has ${all.join(', ')}`);
    if (all.length < 2) say(`${title}: nothing can be read off an axis that has ${all.length ? all.join(', ') : 'nothing'}`);
  }
  const area = svg.querySelector('.area');
  if (area && area.querySelector('use') && box(area.querySelector('use')).width < frame.width / 3) say(`${title}: nothing is drawn`);
}
for (const head of document.querySelectorAll('.cases .head')) {
  const cells = [...head.children].filter(isSeen).map((cell) => ({ says: cell.textContent, at: box(cell) }));
  cells.forEach((one, index) => cells.slice(index + 1).forEach((other) => {
    if (meets(one.at, other.at)) say(`the head "${one.says}" lies over "${other.says}"`);
  }));
}
for (const cell of document.querySelectorAll('td, th')) {
  if (isSeen(cell) && cell.textContent && box(cell).width < 12) say(`a cell with "${cell.textContent}" is ${box(cell).width} px wide`);
}
const tall = document.documentElement.scrollHeight;
if (tall > 60000) say(`the page is ${tall} px tall`);
return { wrong, pictures };
