// The log page: lines that follow, earlier pieces, and the way from one error to the next.
'use strict';
(() => {
  const log = document.getElementById('log');
  if (!log) return;
  const MOST = 20000; // lines kept on the page while it follows; earlier ones can be loaded again
  const stick = document.getElementById('stick');
  const size = document.getElementById('log-size');
  const toEnd = () => window.scrollTo({ top: document.documentElement.scrollHeight });

  const line = l => {
    const d = document.createElement('div');
    d.className = 'l' + (l.c === 'error' || l.c === 'warning' ? ' ' + l.c : '');
    const a = d.appendChild(document.createElement('a'));
    if (l.n) { d.id = 'L' + l.n; a.href = '#L' + l.n; a.textContent = l.n; }
    d.appendChild(document.createElement('time')).textContent = l.s || '';
    d.appendChild(document.createElement('code')).textContent = l.t + (l.cut ? ` … ${l.cut} bytes more` : '');
    if (l.s) log.classList.add('stamped');
    return d;
  };

  const errors = () => [...log.querySelectorAll('.l.error')];
  const next = document.getElementById('next-error');
  const count = () => {
    const n = errors().length;
    next.hidden = n === 0;
    next.textContent = n === 1 ? 'Go to the error' : `Next of ${n} errors`;
  };
  next.addEventListener('click', () => {
    const all = errors();
    const here = all.findIndex(e => e === log.querySelector('.l.found'));
    const to = all[(here + 1) % all.length];
    log.querySelectorAll('.l.found').forEach(e => e.classList.remove('found'));
    to.classList.add('found');
    if (stick) stick.checked = false;
    to.scrollIntoView({ block: 'center' });
  });
  count();

  const earlier = document.getElementById('earlier');
  if (earlier) earlier.addEventListener('click', async e => {
    if (e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    const answer = await fetch(earlier.href);
    if (!answer.ok) { location.href = earlier.href; return; }
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const first = log.firstElementChild, top = first ? first.getBoundingClientRect().top : 0;
    log.prepend(...page.querySelectorAll('#log > .l'));
    if (first) window.scrollBy(0, first.getBoundingClientRect().top - top);
    const before = page.getElementById('earlier');
    if (before) { earlier.setAttribute('href', before.getAttribute('href')); earlier.nextElementSibling.replaceWith(before.nextElementSibling); } else earlier.parentNode.remove();
    count();
  });

  if (location.hash) { const e = document.getElementById(location.hash.slice(1)); if (e) e.scrollIntoView({ block: 'center' }); }
  if (!log.dataset.follow) return;
  const state = document.getElementById('follow-state');
  if (stick && !location.hash) toEnd();
  addEventListener('wheel', e => { if (e.deltaY < 0 && stick) stick.checked = false; }, { passive: true });
  const source = new EventSource(log.dataset.follow);
  source.addEventListener('lines', e => {
    const m = JSON.parse(e.data);
    log.append(...m.lines.map(line));
    while (log.childElementCount > MOST) log.firstElementChild.remove();
    if (size) size.textContent = m.size < 1024 ? `${m.size} B` : m.size < 1048576 ? `${(m.size / 1024).toFixed(1)} KiB` : `${(m.size / 1048576).toFixed(1)} MiB`;
    count();
    if (stick && stick.checked) toEnd();
  });
  const over = text => { source.close(); state.className = 'badge off'; state.textContent = text; };
  source.addEventListener('end', () => over('ended'));
  source.addEventListener('restart', () => { source.close(); location.reload(); });
})();
