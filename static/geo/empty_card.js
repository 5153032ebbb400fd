// @ts-check
/** What is shown while there is nothing to show: the command that puts a position in, and a button that does.
 * @module */
import { copyLine } from "../shared/copy.js";
import { byId } from "../shared/dom.js";
import { setText } from "../shared/format.js";
import { sendTestRecord, testCommand } from "../shared/test_record.js";

/** Fills the card for a topic. @param {string} topic */
export function prepareEmptyCard(topic) {
  byId("empty-command").replaceChildren(copyLine(testCommand(topic), "line that posts a position"));
  setText(byId("empty-topic"), topic);
  byId("send-test").addEventListener("click", async () => {
    setText(byId("send-result"), "Sending …");
    setText(byId("send-result"), await sendTestRecord(topic));
  });
}

/** @param {boolean} isEmpty */
export function showEmptyCard(isEmpty) {
  byId("empty").hidden = !isEmpty;
}
