/** The schema against frames whose bytes are known from the protocol's description. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { readAnswer, requestFrame, type Values } from "./codec.ts";
import { parseFields, schemaOf, schemas } from "./schema.ts";

const frame = (key: number, version: number, values: Values) =>
  requestFrame(schemaOf(key), version, 7, "t", values).toHex();

Deno.test("requestFrame() writes an old and a flexible request as the protocol describes them", () => {
  assertEquals(
    frame(3, 1, { topics: [{ name: "a" }] }),
    "00000012" + "00030001" + "00000007000174" + "00000001000161",
  );
  assertEquals(
    frame(3, 12, { topics: null, allowAutoTopicCreation: false }),
    "00000010" + "0003000c" + "0000000700017400" + "00" + "00" + "00" + "00",
  );
  assertEquals(
    frame(1, 12, { clusterId: "x", topics: [] }).slice(-16),
    "01" + "01" + "01" + "01" + "00" + "02" + "0278",
    "no topics, none forgotten, no rack, one tagged field: the cluster id",
  );
});

Deno.test("readAnswer() reads an answer to its last byte and refuses one that is longer or shorter", () => {
  const heartbeat = schemaOf(12);
  const read = (hex: string) => readAnswer(heartbeat, 4, Uint8Array.fromHex(hex));
  assertEquals<Values>(read("00000007" + "00" + "00000000" + "001b" + "00"), {
    throttleTimeMs: 0,
    errorCode: 27,
  });
  assertThrows(() => read("00000007" + "00" + "00000000" + "001b" + "0000"), RangeError, "1 bytes are left");
  assertThrows(() => read("00000007" + "00" + "00000000" + "00"), RangeError, "it ends");
});

Deno.test("parseFields() knows versions, defaults, nullables and tags", () => {
  const [field] = parseFields("topics{2-7} [ name str?{5+}=null, flags{3} [i32] ]?{4+} tag2");
  assertEquals([field!.versions, field!.nullable, field!.tag], [
    { from: 2, to: 7 },
    { from: 4, to: Infinity },
    2,
  ]);
  assertThrows(() => parseFields("name str ]"), SyntaxError);
});

Deno.test("schemas are encodable in every version they are for", () => {
  for (const api of schemas.values()) {
    for (let version = api.versions[0]; version <= api.versions[1]; version++) {
      requestFrame(api, version, 1, null, {});
    }
  }
});
