// What all pages have: times that stay true, and sections that follow the site.
'use strict';
(() => {
  const pad = n => String(n).padStart(2, '0');
  const span = s => s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)}:${pad(s % 60)} min`
    : s < 172800 ? `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)} h` : `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
  const ago = s => s < 10 ? 'just now' : s < 60 ? `${s} s ago` : s < 3600 ? `${Math.floor(s / 60)} min ago` : `${Math.floor(s / 3600)} h ago`;
  const put = (e, text) => { if (e.textContent !== text) e.textContent = text; };
  const past = t => Math.max(0, Math.round((Date.now() - Date.parse(t)) / 1000));

  const tick = () => {
    if (document.hidden) return;
    for (const e of document.querySelectorAll('.running')) put(e, span(past(e.dataset.since)));
    for (const e of document.querySelectorAll('time.ago')) if (past(e.dateTime) < 86400) put(e, ago(past(e.dateTime)));
  };
  tick();
  setInterval(tick, 1000);
  document.addEventListener('visibilitychange', tick);

  for (const a of document.querySelectorAll('.top nav a')) {
    const p = new URL(a.href).pathname;
    if (location.pathname === p || location.pathname.startsWith(p.replace(/s$/, '') + '/')) { a.classList.add('here'); a.setAttribute('aria-current', 'page'); }
  }

  // keyed gives the rows of a section by their key, with what they say.
  const keyed = e => new Map([...e.querySelectorAll('[data-key]')].map(r => [r.dataset.key, r.textContent.replace(/\d+( s|:\d\d (min|h)| min| h)( ago)?/g, '').replace(/just now/g, '')]));

  // replace puts new content into a section; rows that are new or say something else light up, and the focus stays where it was.
  const replace = (id, html) => {
    const e = document.getElementById(id);
    if (!e) return;
    const t = document.createElement('template');
    t.innerHTML = html;
    const before = keyed(e);
    const focus = e.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
    e.replaceChildren(t.content);
    for (const r of e.querySelectorAll('[data-key]')) {
      const now = keyed(r.parentNode).get(r.dataset.key);
      if (before.get(r.dataset.key) !== now && !r.querySelector('[data-key]')) r.classList.add('fresh');
    }
    if (focus) for (const a of e.querySelectorAll('a')) if (a.getAttribute('href') === focus) { a.focus({ preventScroll: true }); break; }
    tick();
  };

  const address = document.body.dataset.live;
  if (!address) return;
  const note = document.getElementById('live');
  const say = (on, text) => { if (note) { note.classList.toggle('on', on); put(note, text); } };
  const source = new EventSource(address);
  source.addEventListener('open', () => say(true, 'live'));
  source.addEventListener('error', () => say(false, 'connecting again…'));
  source.addEventListener('sections', e => {
    say(true, 'live');
    for (const s of JSON.parse(e.data).sections || []) replace(s.id, s.html);
    document.body.dataset.updates = String(Number(document.body.dataset.updates || 0) + 1);
  });
  source.addEventListener('end', () => { source.close(); location.reload(); });
})();
