import { assertEquals } from "@std/assert";
import type { Broker } from "../../../../kafka/broker/mod.ts";
import { withBroker } from "../harness.ts";
import { compact, hex16, hex32 } from "../raw_client.ts";

const NONE = "80000000";

function answerOf(version: number, broker: Broker, operations: string): string {
  const node = hex32(1) + compact("127.0.0.1") + hex32(broker.port) + "00" + "00";
  return hex32(0) + hex16(0) + "00" + (version >= 1 ? "01" : "") + compact(broker.clusterId) + hex32(1) +
    "02" +
    node + operations + "00";
}

Deno.test("DescribeCluster v0 and v1 tells of the one node, and what one may do when asked", () =>
  withBroker(async (broker, client) => {
    for (const version of [0, 1]) {
      const type = version >= 1 ? "01" : "";
      const ask = (body: string) => client.ask({ key: 60, version, flexible: true, body });
      assertEquals(await ask("00" + type + "00"), answerOf(version, broker, NONE), `v${version}`);
      assertEquals(await ask("01" + type + "00"), answerOf(version, broker, hex32(8096)), `v${version}`);
    }
  }));

const refusals: [type: string, error: number, text: string][] = [
  [
    "02",
    114,
    "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
  ],
  ["00", 115, "Unsupported endpoint type 0"],
  ["03", 115, "Unsupported endpoint type 3"],
];
for (const [type, error, text] of refusals) {
  Deno.test(`DescribeCluster v1 refuses endpoint type ${type}`, () =>
    withBroker(async (_broker, client) => {
      assertEquals(
        await client.ask({ key: 60, version: 1, flexible: true, body: "01" + type + "00" }),
        hex32(0) + hex16(error) + compact(text) + "01" + compact("") + hex32(-1) + "01" + NONE + "00",
      );
    }));
}
