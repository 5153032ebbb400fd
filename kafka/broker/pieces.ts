/** Joins neighbouring small pieces of what is to be sent: several pipelined answers leave in one system call. @module */

/** Up to this size copying is cheaper than another system call. */
const JOINED_BYTES = 64 * 1024;

/** The same bytes in fewer pieces; big ones are kept as they are. */
export function joinSmall(pieces: Uint8Array[]): Uint8Array[] {
  if (pieces.length < 2) return pieces;
  const out: Uint8Array[] = [];
  let from = 0;
  let bytes = 0;
  const flush = (to: number): void => {
    const run = pieces.slice(from, to);
    if (run.length === 1) out.push(run[0] as Uint8Array);
    else if (run.length > 1) out.push(join(run, bytes));
    from = to;
    bytes = 0;
  };
  for (const [i, piece] of pieces.entries()) {
    if (bytes > 0 && bytes + piece.byteLength > JOINED_BYTES) flush(i);
    bytes += piece.byteLength;
  }
  flush(pieces.length);
  return out;
}

function join(pieces: Uint8Array[], bytes: number): Uint8Array {
  const joined = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.byteLength;
  }
  return joined;
}
