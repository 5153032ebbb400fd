/** Apache Kafka goes away and comes back under viewers and posters of a service that stays up. @module */
import { assert, assertEquals, assertLess } from "@std/assert";
import { ApacheKafka } from "../apache_kafka.ts";
import { SseClient, WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { checkNothingLost, Poster, Watcher } from "./posting.ts";

/** A post waits for Kafka 10 s at most; the rest is for a busy machine, and less than what clients wait for an answer. */
const maxPostSeconds = 25;
const { ignore } = requires("apache-kafka");

for (const end of ["stop", "kill"] as const) {
  Deno.test({
    name:
      `viewers are told of an Apache Kafka that goes (${end}) and comes back, posts never hang, nothing acknowledged is lost`,
    ignore,
    fn: async () => {
      await using kafka = await ApacheKafka.open();
      await using service = await Service.open({ kafkaBrokers: kafka.bootstrap });
      const stream = `${service.url}/geo/away`;
      await using sse = await SseClient.open(`${stream}/events?cursor=earliest`);
      await using ws = await WsClient.open(`${stream}/socket?cursor=earliest`);
      await using watcher = new Watcher(`${stream}/events?cursor=earliest`);
      await using poster = new Poster(`${service.url}/producer/away`, 8);
      await poster.more(100);

      await kafka[end]();
      const said = (status: string) =>
        sse.all("status").at(-1)?.kafka === status && ws.all("status").at(-1)?.kafka === status;
      await eventually("status down at both viewers", () => said("down"), 60_000, () => sse.events.slice(-3));
      await eventually("a post that is refused", () => poster.refused.length > 0, 60_000);
      const alive = await fetch(`${service.url}/livez`);
      await alive.body?.cancel();
      assertEquals(alive.status, 200, "the service is alive");

      await kafka.start();
      await eventually("status up at both viewers", () => said("up"), 60_000, () => sse.events.slice(-3));
      await poster.more(100);
      await poster.stop();

      for (const { status, headers, body } of poster.refused) {
        assertEquals([status, headers.get("content-type")?.split(";")[0]], [503, "application/problem+json"]);
        assert(typeof body.code === "string" && body.type === `/problems/${body.code}`, JSON.stringify(body));
      }
      assertEquals(poster.unanswered, 0, "every post was answered");
      assertLess(poster.slowestSeconds, maxPostSeconds, "seconds that a post took at most");

      const records = await checkNothingLost(kafka.bootstrap, "away", poster, [watcher]);
      for (
        const [viewer, seen] of [["SSE", () => sse.all("position")], [
          "WebSocket",
          () => ws.all("position"),
        ]] as const
      ) {
        await eventually(
          `the rest at the ${viewer} viewer`,
          () => seen().length >= records,
          60_000,
          () => seen().length,
        );
        assertEquals(new Set(seen().map((each) => each.message_id)).size, records);
        assertEquals(seen().length, records, `${viewer}: each once`);
      }
      assertEquals([sse.ended, ws.closed, watcher.resumes], [null, null, ["fresh"]], "no stream was ended");
    },
  });
}
