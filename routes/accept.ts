/** Which of two types a client likes better, by its header `Accept`.
 *
 * Left out: types of more than two kinds, languages, encodings.
 * @see {@link https://www.rfc-editor.org/rfc/rfc9110#name-accept}
 * @module */

/** Whether `accept` ranks a type above another one. With no header, or with `*` for both, it does not: programs send that.
 * @param wanted such as `text/html` */
export function prefers(accept: string | undefined, wanted: string, other: string): boolean {
  return accept !== undefined && quality(accept, wanted) > quality(accept, other);
}

/** The weight that `accept` gives to a type: that of its most specific range. */
function quality(accept: string, wanted: string): number {
  const anyOfKind = wanted.replace(/\/.*/, "/*");
  let best = { specificity: 0, q: 0 };
  for (const range of accept.toLowerCase().split(",")) {
    const [name = "", ...parameters] = range.split(";").map((part) => part.trim());
    const specificity = name === wanted ? 3 : name === anyOfKind ? 2 : name === "*/*" ? 1 : 0;
    if (specificity <= best.specificity) continue;
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    const q = weight === undefined ? 1 : Number(weight.slice(2));
    best = { specificity, q: Number.isNaN(q) ? 0 : q };
  }
  return best.q;
}
