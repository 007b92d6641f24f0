// What a person does on a page, by the words that are on it. Each answers with a false value as long as it cannot be done.
const shown = e => e.getClientRects().length > 0;
const words = e => e.textContent.replace(/\s+/g, ' ').trim();

// reachable: nothing lies over it.
const reachable = e => {
  e.scrollIntoView({block: 'center'});
  const r = e.getBoundingClientRect();
  const top = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
  return top !== null && (e.contains(top) || top.contains(e));
};

// says: the element has this text, or text of this form; '' is any.
const says = (e, text) => text === '' || (text instanceof RegExp ? text.test(words(e)) : words(e) === text);
const find = (css, text) => [...document.querySelectorAll(css)].find(e => shown(e) && says(e, text));

const click = (css, text) => {
  const e = find(css, text);
  if (!e || e.disabled || e.classList.contains('disabled') || !reachable(e)) return false;
  e.click();
  return true;
};

// row is the table's row of which a cell has that text.
const row = name => [...document.querySelectorAll('table tr')].find(r => shown(r) && [...r.querySelectorAll('td')].some(c => words(c) === name));
const cells = name => { const r = row(name); return r ? [...r.querySelectorAll('td')].map(words) : null; };

const clickInRow = (name, css, text) => {
  const e = [...(row(name)?.querySelectorAll(css) ?? [])].find(e => shown(e) && says(e, text));
  if (!e || !reachable(e)) return false;
  e.click();
  return true;
};

// field is what belongs to a label of the open form.
const field = label => {
  const l = [...document.querySelectorAll('.modal label')].find(l => shown(l) && words(l).replace(/ ?\*$/, '') === label);
  return l && (l.querySelector('input') ?? l.closest('.form-group')?.querySelector('input, select, textarea'));
};

const changed = e => ['input', 'change', 'blur'].forEach(k => e.dispatchEvent(new Event(k, {bubbles: true})));

const enter = (label, value) => {
  const e = field(label);
  if (!e) return false;
  e.value = value;
  changed(e);
  return true;
};

const choose = (label, text) => {
  const e = field(label);
  const i = [...(e?.options ?? [])].findIndex(o => words(o) === text);
  if (i < 0) return false;
  e.selectedIndex = i;
  changed(e);
  return words(e.options[e.selectedIndex]) === text;
};

const errors = () => [...document.querySelectorAll('.alert-danger, .alert-error, .messages .error')].filter(shown).map(words);

// still: nothing on the page is on its way to another place or colour; what turns for ever does not count.
const still = () => document.getAnimations().every(a => a.effect.getComputedTiming().endTime === Infinity);
