import { assert, assertEquals } from "@std/assert";
import type { KafkaRecord } from "../../kafka/fetch_response.ts";
import { RecordView } from "../../kafka/record_view.ts";
import { Random } from "../random.ts";

const encoder = new TextEncoder();

function view(value: string | Uint8Array | null, more: Partial<KafkaRecord> = {}): RecordView {
  const bytes = typeof value === "string" ? encoder.encode(value) : value;
  return new RecordView("t", {
    partition: 1,
    offset: 2,
    timestamp: 3,
    key: null,
    value: bytes,
    headers: {},
    ...more,
  });
}

/** The value in the record's JSON, as text. */
function valueText(value: string | Uint8Array | null): string {
  const { json } = view(value);
  const head = '{"topic":"t","partition":1,"offset":2,"timestamp":3,"key":null,"value":';
  assert(json.startsWith(head) && json.endsWith("}"), json);
  assert(!/[\r\n\u0085\u2028\u2029]/.test(json), `one line: ${JSON.stringify(json)}`);
  JSON.parse(json);
  return json.slice(head.length, -1);
}

Deno.test("RecordView shows a value that is JSON as it was written", () => {
  const kept = [
    '{"a":1,"a":2}',
    "9007199254740993",
    '{"id":12345678901234567890,"x":1.10,"e":1E400}',
    '"text"',
    "true",
    "null",
    "[]",
    '{"__proto__":{"x":1}}',
    '"\\ud800"',
    '{ "spaced" :\t1 }',
  ];
  for (const text of kept) assertEquals(valueText(text), text);
  const deep = "[".repeat(50_000) + "]".repeat(50_000);
  assertEquals(valueText(deep), deep);
});

Deno.test("RecordView puts JSON of several lines on one", () => {
  assertEquals(valueText('{\r\n  "a": [\n    1,\n    2\n  ]\n}\n'), '{"a": [1,2]}');
  assertEquals(valueText(' \n {"a":1} \t'), '{"a":1}');
  assertEquals(valueText('{"a":"\u2028\u0085 b\u2029"}'), '{"a":"\\u2028\\u0085 b\\u2029"}');
});

Deno.test("RecordView shows other text as a string, and other bytes as base64", () => {
  const texts = [
    "",
    "NaN",
    "Infinity",
    "plain",
    "{broken",
    "1 2",
    "line\nline\r\n\u2028",
    "-",
    "\ufeff{}",
    "'a'",
  ];
  for (const text of texts) assertEquals(JSON.parse(valueText(text)), text);
  assertEquals(valueText(new Uint8Array([0xff, 0xd8, 0xff])), '{"base64":"/9j/"}');
  assertEquals(valueText(new Uint8Array([0x7b, 0xff])), '{"base64":"e/8="}');
  assertEquals(valueText(new Uint8Array([0xed, 0xa0, 0x80])), '{"base64":"7aCA"}', "a lone surrogate");
  assertEquals(valueText(null), "null");
  assertEquals(view("plain").value, "plain");
  assertEquals(view(new Uint8Array([0xff])).value, { base64: "/w==" });
  assertEquals(view('{"a":[1]}').value, { a: [1] });
});

Deno.test("RecordView takes for JSON exactly what JSON.parse takes", () => {
  const random = new Random("texts that are or are not JSON");
  const tokens = [
    ...'{}[],:"-+.eE019 \t\n',
    "true",
    "false",
    "null",
    '"a"',
    '{"b":',
    "[1",
    "\u2028",
    "ü",
    "NaN",
    "\\",
  ];
  const isJson = (text: string) => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  let valid = 0;
  for (let n = 0; n < 50_000; n++) {
    let text = "";
    for (let left = random.between(0, 7); left > 0; left--) {
      text += tokens[random.between(0, tokens.length - 1)];
    }
    const shown = valueText(text);
    if (isJson(text)) {
      valid++;
      assertEquals(JSON.parse(shown), JSON.parse(text), text);
      assertEquals(view(text).value, JSON.parse(text), text);
    } else {
      assertEquals(JSON.parse(shown), text);
      assertEquals(view(text).value, text);
    }
  }
  assert(valid > 1_000, `${valid}`);
});

Deno.test("RecordView shows keys as text, base64 or null, and headers only when there are some", () => {
  const shown = (more: Partial<KafkaRecord>) => JSON.parse(view("1", more).json);
  assertEquals(shown({ key: encoder.encode('{"a":1}') }).key, '{"a":1}');
  assertEquals(shown({ key: encoder.encode("") }).key, "");
  assertEquals(shown({ key: new Uint8Array([0xc3]) }).key, { base64: "ww==" });
  assertEquals(shown({ key: null }), {
    topic: "t",
    partition: 1,
    offset: 2,
    timestamp: 3,
    key: null,
    value: 1,
  });
  const text = encoder.encode("x\ny");
  const headers = Object.fromEntries([
    ["a", text],
    ["b", [text, null, new Uint8Array([0xff])]],
    ["", null],
    ["__proto__", text],
  ]);
  const found = shown({ headers }).headers;
  assertEquals(Object.entries(found), [
    ["a", "x\ny"],
    ["b", ["x\ny", null, { base64: "/w==" }]],
    ["", null],
    ["__proto__", "x\ny"],
  ]);
});
