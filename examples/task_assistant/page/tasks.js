/** The list as it is now, whoever changes it, and the voice that changes it. */

import { post } from '/look/voice-dock.js';

const DAY_MS = 86_400_000;
const byId = (id) => document.getElementById(id);

document.querySelector('voice-dock').attendedBy({
  letIn: (visit) => post(`/voice?visit=${visit}`),
  join: (visit) => post(`/voice/${visit}/join`),
});

byId('day').textContent = new Intl.DateTimeFormat('en', { dateStyle: 'full' }).format();

let known = null;
new EventSource('/tasks').onmessage = ({ data }) => show(JSON.parse(data));

function show(tasks) {
  const open = tasks.filter((task) => !task.done);
  fill(byId('open'), open);
  fill(
    byId('done'),
    tasks.filter((task) => task.done),
  );
  byId('left').textContent = open.length || '';
  byId('none-open').hidden = open.length > 0;
  known = new Map(tasks.map((task) => [task.id, task]));
}

function fill(list, tasks) {
  list.replaceChildren(...tasks.map(line));
}

function line(task) {
  const item = document.createElement('li');
  const label = document.createElement('label');
  const box = document.createElement('input');
  box.type = 'checkbox';
  box.checked = task.done;
  box.onchange = () => tick(task, box);
  label.append(box, element('span', task.title));
  item.append(label);
  if (task.due) {
    const due = element('time', dayName(task.due));
    due.dateTime = task.due;
    due.toggleAttribute('data-late', !task.done && daysUntil(task.due) < 0);
    item.append(due);
  }
  const before = known?.get(task.id);
  if (known && (!before || before.done !== task.done)) {
    item.className = 'changed';
    byId('news').textContent = `${task.title}: ${task.done ? 'done' : 'to do'}.`;
  }
  return item;
}

async function tick(task, box) {
  const body = JSON.stringify({ done: box.checked });
  const answer = await fetch(`/tasks/${task.id}`, { method: 'PATCH', body }).catch(() => null);
  if (!answer?.ok) box.checked = task.done;
}

function daysUntil(day) {
  const today = new Date();
  return Math.round((new Date(`${day}T00:00`) - today.setHours(0, 0, 0, 0)) / DAY_MS);
}

function dayName(day) {
  const name = { '-1': 'yesterday', 0: 'today', 1: 'tomorrow' }[daysUntil(day)];
  const options = { weekday: 'short', day: 'numeric', month: 'short' };
  return name ?? new Intl.DateTimeFormat('en', options).format(new Date(`${day}T00:00`));
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
