import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { FrameTooLarge } from "../../kafka/jpeg_stream.ts";
import { BadMultipart, boundaryOf, MultipartParser, type Part } from "../../routes/multipart.ts";
import { joined, jpegFixture, numberedJpeg } from "../jpegs.ts";
import { Random } from "../random.ts";

const options = { maxPartBytes: 100_000 };
const bodies = [numberedJpeg(1), jpegFixture("exif_thumbnail"), numberedJpeg(2, { bytes: 30_000 })];

/** How a sender writes its parts. */
interface Style {
  readonly delimiter?: string;
  readonly lineEnd?: string;
  readonly withLength?: boolean;
  readonly preamble?: string;
  /** Behind a part's body. */
  readonly after?: string;
  readonly end?: string;
}

function written(parts: readonly Uint8Array[], style: Style = {}): Uint8Array<ArrayBuffer> {
  const { delimiter = "--x", lineEnd = "\r\n", withLength = false, preamble = "", after = lineEnd } = style;
  const head = (body: Uint8Array) =>
    [delimiter, "Content-Type: image/jpeg", ...(withLength ? [`Content-Length: ${body.length}`] : []), "", ""]
      .join(lineEnd);
  const { end = `${delimiter}--${lineEnd}` } = style;
  return joined(
    bytesOf(preamble),
    ...parts.flatMap((body) => [bytesOf(head(body)), body, bytesOf(after)]),
    bytesOf(end),
  );
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

function parse(body: Uint8Array, boundary: string, lengths: readonly number[] = [body.length]): Part[] {
  const parser = new MultipartParser(boundary, options), parts: Part[] = [];
  for (let at = 0, n = 0; at < body.length; n++) {
    const length = lengths[Math.min(n, lengths.length - 1)]!;
    parts.push(...parser.push(body.subarray(at, at + length)));
    at += length;
  }
  return [...parts, ...parser.end()];
}

/** Parts that came before the error, and its message. */
function parseUntilWrong(body: Uint8Array, boundary: string, more: { maxHeaderBytes?: number } = {}) {
  const parser = new MultipartParser(boundary, { ...options, ...more }), parts: Part[] = [];
  try {
    for (const part of parser.push(body)) parts.push(part);
    for (const part of parser.end()) parts.push(part);
  } catch (error) {
    assert(error instanceof BadMultipart || error instanceof FrameTooLarge, String(error));
    return { parts, message: error.message };
  }
  return { parts, message: null };
}

Deno.test("boundaryOf() reads what a Content-Type names, quoted or not", () => {
  const named: Readonly<Record<string, string | null>> = {
    "multipart/x-mixed-replace;boundary=ffmpeg": "ffmpeg",
    "multipart/x-mixed-replace; boundary=--myboundary": "--myboundary",
    'Multipart/X-Mixed-Replace; charset=utf-8; Boundary="a b:c"; x=1': "a b:c",
    'multipart/mixed; boundary="q\\"q"': 'q"q',
    "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk": "----WebKitFormBoundary7MA4YWxk",
    "image/jpeg": null,
    "": null,
  };
  for (const [type, boundary] of Object.entries(named)) assertEquals(boundaryOf(type), boundary, type);
  for (
    const type of [
      "multipart/x-mixed-replace",
      "multipart/x; boundary=",
      `multipart/x; boundary=${"b".repeat(141)}`,
    ]
  ) {
    assertThrows(() => boundaryOf(type), BadMultipart, "a boundary of 1 to 140 characters is wanted");
  }
});

const styles: Readonly<Record<string, Style>> = {
  "as the standard has it": {},
  "with lengths": { withLength: true },
  "with lengths and nothing before the delimiter": { withLength: true, after: "" },
  "with lengths and blank lines before the delimiter": { withLength: true, after: "\r\n\r\n\r\n" },
  "with LF alone": { lineEnd: "\n" },
  "with LF alone and lengths": { lineEnd: "\n", withLength: true },
  "with a preamble": { preamble: "This is a camera.\r\n--xy\r\n --x\r\n" },
  "with a line end in front": { preamble: "\r\n" },
  "with an epilogue": { end: "--x--\r\nthat is all\r\n--x\r\n\r\nno part" },
  "without an end": { withLength: true, end: "" },
  "with a delimiter that opens nothing": { withLength: true, end: "--x\r\n" },
};

for (const [name, style] of Object.entries(styles)) {
  Deno.test(`MultipartParser reads parts ${name}, wherever the body is cut into pieces`, () => {
    const body = written(bodies, style), random = new Random(null);
    const cuts = [1, 2, 3, 100, 65_536].map((length) => [length]);
    for (let n = 0; n < 20; n++) cuts.push(Array.from({ length: 300 }, () => random.between(1, 400)));
    for (const lengths of cuts) {
      const parts = parse(body, "x", lengths);
      assertEquals(parts.map((part) => part.body), bodies, `pieces of ${lengths}`);
      assertEquals(parts[0]?.headers.get("content-type"), "image/jpeg");
    }
  });
}

Deno.test("MultipartParser takes a boundary that is named with the dashes of its delimiter", () => {
  for (const withLength of [true, false]) {
    const once = written(bodies, { delimiter: "--cam", withLength });
    const twice = written(bodies, { delimiter: "----cam", withLength });
    for (const length of [1, 1_000]) {
      assertEquals(parse(once, "cam", [length]).length, 3);
      assertEquals(parse(once, "--cam", [length]).length, 3);
      assertEquals(parse(twice, "--cam", [length]).length, 3);
    }
  }
});

Deno.test("MultipartParser takes a delimiter only where a line begins, and when its line ends behind it", () => {
  const body = joined(
    bytesOf("no --x\r\n line, --x and \r\n--xyz\r\nnor\r\n--x of these\r\n"),
    numberedJpeg(1),
  );
  const [part, ...more] = parse(written([body]), "x", [1]);
  assertEquals([part?.body, more.length], [body, 0]);
  assertEquals(parse(bytesOf("--x \t \r\na: b\r\n\r\nbody\r\n--x--"), "x")[0]?.body, bytesOf("body"));
});

Deno.test("MultipartParser yields a part without waiting for more than it needs", () => {
  const told = new MultipartParser("x", options), untold = new MultipartParser("x", options);
  const [body] = bodies, head = bytesOf(`--x\r\nContent-Length: ${body!.length}\r\n\r\n`);
  assertEquals([...told.push(joined(head, body!))].map((part) => part.body), [body]);
  const open = written([body!], { end: "--x\r\n" });
  assertEquals([...untold.push(open)].map((part) => part.body), [body]);
});

Deno.test("MultipartParser yields at the end what has neither a length nor a delimiter behind it", () => {
  const [first, second] = parse(joined(written([bodies[0]!], { end: "" }), bytesOf("--x\r\n\r\nhalf")), "x");
  assertEquals([first?.body, second?.body], [bodies[0], bytesOf("half")]);
});

Deno.test("MultipartParser reads names of headers in any case, and lines that are no header not at all", () => {
  const head = "--x\r\nHTTP/1.0 200 OK\r\nX-TIMESTAMP:  12.5 \r\nConTent-leNgth:4\r\nEmpty:\r\n\r\n";
  const [part] = parse(bytesOf(`${head}body\r\n--x--`), "x");
  assertEquals([...part!.headers], [["x-timestamp", "12.5"], ["content-length", "4"], ["empty", ""]]);
});

Deno.test("MultipartParser yields what came before what is wrong, then says what it found", () => {
  const good = written([bodies[0]!], { end: "--x\r\n" });
  const wrong: readonly (readonly [what: string, body: Uint8Array, message: string])[] = [
    [
      "a length that is none",
      joined(good, bytesOf("Content-Length: many\r\n\r\n")),
      'of Content-Length "many"',
    ],
    ["a length that is too large", joined(good, bytesOf("Content-Length: 100001\r\n\r\n")), "at most 100000"],
    [
      "an endless header",
      joined(good, bytesOf("a".repeat(8_193))),
      "a part's header of more than 8192 bytes",
    ],
    [
      "a header of many lines",
      joined(good, bytesOf("a: b\r\n".repeat(1_400))),
      "header of more than 8192 bytes",
    ],
    ["an endless part", joined(good, bytesOf("\r\n"), new Uint8Array(101_000)), "at most 100000"],
    ["half a header", joined(good, bytesOf("Content-Le")), "breaks off in its header"],
    ["half a part", joined(good, bytesOf("Content-Length: 9\r\n\r\nhalf")), "breaks off in its body"],
  ];
  for (const [what, body, message] of wrong) {
    const found = parseUntilWrong(body, "x");
    assertEquals(found.parts.map((part) => part.body), [bodies[0]], what);
    assert(found.message?.includes(message), `${what}: ${found.message}`);
  }
});

Deno.test("MultipartParser refuses a body in which its delimiter does not come", () => {
  const { message } = parseUntilWrong(new Uint8Array(9_000), "--x");
  assertEquals(
    message,
    'Cannot find the delimiter "--x" or "----x" of the multipart body in the first 9000 bytes',
  );
  assertEquals(parseUntilWrong(bytesOf("short"), "x").message?.includes("breaks off in its preamble"), true);
  assertEquals(parseUntilWrong(new Uint8Array(0), "x"), { parts: [], message: null });
});

Deno.test("MultipartParser refuses what comes behind a part that is longer than its Content-Length", () => {
  const { parts, message } = parseUntilWrong(bytesOf("--x\r\nContent-Length: 2\r\n\r\nbody\r\n--x--"), "x");
  assertEquals(parts.map((part) => part.body), [bytesOf("bo")]);
  assertEquals(message, 'Cannot find the delimiter "--x" of the multipart body behind a part of 2 bytes');
});

Deno.test("MultipartParser takes a part of 12 MB byte by byte in time that grows with its length", () => {
  const body = new Uint8Array(12_000_000), parser = new MultipartParser("x", { maxPartBytes: body.length });
  for (let at = 0; at < body.length; at += 50) body.set(bytesOf("\r\n--y"), at);
  const stream = written([body]), began = performance.now();
  let found = 0;
  for (let at = 0; at < stream.length; at++) {
    for (const part of parser.push(stream.subarray(at, at + 1))) found += part.body.length;
  }
  assertEquals(found, body.length);
  assertLess(performance.now() - began, 120_000); // looking at all of it for each byte would take hours
});

Deno.test("MultipartParser throws nothing but its own errors and ends, whatever it is given", () => {
  const random = new Random("MultipartParser, wrong bytes");
  const streams = Object.values(styles).map((style) => written(bodies.slice(0, 2), style));
  const pieces = ["\r\n", "\n", "--x", "--x--", "\r\n--x\r\n", "Content-Length: 5\r\n", "\0", "-", ": "].map(
    bytesOf,
  );
  for (let n = 0; n < 5_000; n++) {
    let body = streams[n % streams.length]!;
    for (let changes = random.between(1, 6); changes > 0; changes--) {
      const at = random.between(0, body.length), until = at + random.between(0, 30);
      body = joined(
        body.subarray(0, at),
        pieces[random.between(0, pieces.length - 1)]!,
        body.subarray(until),
      );
    }
    const whole = parseUntilWrong(body, "x"), parser = new MultipartParser("x", options);
    let parts = 0;
    try {
      for (let at = 0; at < body.length;) {
        const length = random.between(1, 300);
        for (const _ of parser.push(body.subarray(at, at + length))) parts++;
        at += length;
      }
      for (const _ of parser.end()) parts++;
    } catch (error) {
      assert(error instanceof BadMultipart || error instanceof FrameTooLarge, String(error));
    }
    assertEquals(parts, whole.parts.length, "as many in pieces as in one");
  }
});
