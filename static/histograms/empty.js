// @ts-check
/** What is shown of a measurement while nothing has come: the line that stores one, and a button that does.
 * @module */
/** @import { Measurement } from "./measurement.js" */
import { problemOf } from "../shared/api.js";
import { copyLine } from "../shared/copy.js";
import { setText } from "../shared/format.js";
import { postCommand, postMeasurement } from "./histograms_api.js";

/** Fills the box of what is shown instead of charts.
 * @param {HTMLElement} box @param {Measurement} measurement */
export function fillEmpty(box, measurement) {
  const { name } = measurement;
  const title = Object.assign(document.createElement("h3"), { textContent: "Nothing measured yet" });
  const button = Object.assign(document.createElement("button"), {
    type: "button",
    textContent: "Send a test record",
  });
  button.className = "button-main";
  button.setAttribute("aria-label", `Send a test record of ${name}`);
  const result = document.createElement("span");
  result.className = "muted number";
  result.setAttribute("role", "status");
  const actions = document.createElement("p");
  actions.append(button, result);
  button.addEventListener("click", async () => {
    setText(result, "Sending …");
    setText(result, await send(measurement));
  });
  box.replaceChildren(
    title,
    copyLine(postCommand(name, someValue(measurement)), `line that stores a ${name}`),
    actions,
  );
}

/** @param {Measurement} measurement @returns {Promise<string>} how it went, in words */
async function send(measurement) {
  try {
    return `Stored at ${await postMeasurement(measurement.name, someValue(measurement))}.`;
  } catch (error) {
    const { title, detail, requestId } = problemOf(error);
    return [title, detail, requestId && `Request ${requestId}`].filter(Boolean).join(" · ");
  }
}

/** One of the expected values, without the dust of adding fractions. @param {Measurement} measurement */
function someValue({ range: { first, last, step } }) {
  const values = Math.round((last - first) / step);
  return Number((first + step * Math.round(Math.random() * values)).toPrecision(12));
}
