// @ts-check
/** Puts a remembered choice of light or dark in place before anything is drawn; so it is a script of its own,
 * not a module. Left out: the switch (frame.js). */
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset["theme"] = chosen;
} catch { /* storage is blocked: the system's preference holds */ }
