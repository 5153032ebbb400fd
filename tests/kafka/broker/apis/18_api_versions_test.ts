import { assertEquals } from "@std/assert";
import { apis, serves } from "../../../../kafka/broker/apis/mod.ts";
import { withBroker } from "../harness.ts";
import { compact, hex16, hex32, uvarint } from "../raw_client.ts";

/** The ranges that clients were tried with. */
const ADVERTISED: [key: number, min: number, max: number][] = [
  [0, 0, 11],
  [1, 4, 13],
  [2, 1, 7],
  [3, 0, 12],
  [8, 2, 8],
  [9, 1, 8],
  [10, 0, 4],
  [11, 0, 9],
  [12, 0, 4],
  [13, 0, 5],
  [14, 0, 5],
  [15, 0, 5],
  [16, 0, 5],
  [17, 0, 1],
  [18, 0, 4],
  [19, 2, 7],
  [20, 1, 6],
  [21, 0, 2],
  [22, 0, 4],
  [23, 2, 4],
  [24, 0, 3],
  [25, 0, 3],
  [26, 0, 3],
  [28, 0, 3],
  [32, 1, 4],
  [33, 0, 2],
  [35, 1, 4],
  [36, 0, 2],
  [37, 0, 3],
  [42, 0, 2],
  [44, 0, 1],
  [47, 0, 0],
  [60, 0, 1],
];

const listed = ADVERTISED.map((range) => range.map(hex16).join("")).join("");
const listedFlexible = ADVERTISED.map((range) => range.map(hex16).join("") + "00").join("");
const software = compact("kcat") + compact("1.7.1") + "00";

Deno.test("ApiVersions answers v0 to v4 with exactly what is served", () =>
  withBroker(async (_broker, client) => {
    assertEquals(
      await client.ask({ key: 18, version: 0, body: "" }),
      "0000" + hex32(ADVERTISED.length) + listed,
    );
    for (const version of [1, 2]) {
      const answer = await client.ask({ key: 18, version, body: "" });
      assertEquals(answer, "0000" + hex32(ADVERTISED.length) + listed + "00000000");
    }
    for (const version of [3, 4]) {
      const answer = await client.ask({ key: 18, version, flexible: true, body: software });
      assertEquals(answer, "0000" + uvarint(ADVERTISED.length + 1) + listedFlexible + "00000000" + "00");
    }
    assertEquals(apis.map(({ key }) => key), ADVERTISED.map(([key]) => key));
  }));

Deno.test("ApiVersions answers a version it does not know in v0, and the connection goes on", () =>
  withBroker(async (_broker, client) => {
    for (const version of [5, 99, -1]) {
      const answer = await client.ask({ key: 18, version, body: "ffffffffffffffff" });
      assertEquals(answer, "0023" + hex32(ADVERTISED.length) + listed);
    }
    await client.ask({ key: 18, version: 3, flexible: true, body: software });
  }));

Deno.test("ApiVersions v3 refuses a software name that could forge a log line", () =>
  withBroker(async (_broker, client) => {
    for (
      const [name, version] of [["a\nb", "1"], ["", "1"], ["-a", "1"], ["a", "1-"], ["a b", "1"]] as const
    ) {
      const body = compact(name) + compact(version) + "00";
      const answer = await client.ask({ key: 18, version: 3, flexible: true, body });
      assertEquals(answer, "002a" + "01" + "00000000" + "00");
    }
  }));

Deno.test("every version that is advertised, but for Produce 0 to 2, is served", () => {
  for (const api of apis) {
    for (let version = api.versions[0]; version <= api.versions[1]; version++) {
      assertEquals(serves(api, version), api.key !== 0 || version >= 3, `${api.name} v${version}`);
    }
    assertEquals(serves(api, api.versions[0] - 1) || serves(api, api.versions[1] + 1), false);
  }
});
