// @ts-check
/** Lines to copy: a command or an address with a button beside it.
 * @module */

const shownMs = 1600;

/** Makes a line of code with a copy button.
 * @param {string} text what is shown and copied
 * @param {string} name what it is, for screen readers: "Copy the <name>"
 * @returns {HTMLElement} */
export function copyLine(text, name) {
  const line = document.createElement("div");
  line.className = "copy-line";
  const code = document.createElement("code");
  code.tabIndex = 0; // it scrolls sideways, so a keyboard must reach it
  code.setAttribute("role", "group");
  code.setAttribute("aria-label", name);
  code.textContent = text;
  line.append(code, copyButton(text, name));
  return line;
}

/** @param {string} text @param {string} name @returns {HTMLButtonElement} */
export function copyButton(text, name) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy the ${name}`);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  button.addEventListener("click", async () => {
    const isCopied = await copyText(text);
    button.textContent = isCopied ? "Copied" : "Failed";
    button.setAttribute("aria-label", isCopied ? `Copied the ${name}` : `Could not copy the ${name}`);
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.textContent = "Copy";
      button.setAttribute("aria-label", `Copy the ${name}`);
    }, shownMs);
  });
  return button;
}

/** Puts a text into the clipboard. @param {string} text @returns {Promise<boolean>} whether it is there */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeTheOldWay(text); // no clipboard outside https and localhost
  }
}

/** @param {string} text */
function writeTheOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  return isCopied;
}
