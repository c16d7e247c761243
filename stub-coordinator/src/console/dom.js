// Small tools for the page. Text from the network goes through `say` and `make` alone, as text: never as markup.

const at = (id) => document.getElementById(id);

/** Sets an element's text where it differs, so that a selection or a screen reader is not disturbed for nothing. */
function say(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Makes an element with a class, a text and children. */
function make(tag, name = "", text = "", ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== "") element.textContent = String(text);
  element.append(...children);
  return element;
}

function button(text, act, name = "") {
  const made = make("button", name, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

/**
 * Makes the children of `list` those of `items`, in order. An element stays the same as long as its key is there: a
 * button that is being pressed, or has the focus, survives an update.
 */
function keyed(list, items, key, create, update) {
  const known = (list.known ??= new Map());
  const wanted = new Set(items.map(key));
  for (const [name, element] of known) {
    if (!wanted.has(name)) {
      element.remove();
      known.delete(name);
    }
  }
  let place = list.firstElementChild;
  for (const item of items) {
    let element = known.get(key(item));
    if (!element) {
      element = create(item);
      known.set(key(item), element);
    }
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
    update(element, item);
  }
}

/** Keeps a map at a size by forgetting its oldest entries. */
function bound(map, size) {
  for (const key of map.keys()) {
    if (map.size <= size) return;
    map.delete(key);
  }
}

const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

function duration(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
