/** What the embedded broker counts and times, in Prometheus form: read from its snapshot at each scrape.
 *
 * Labels have few values: of topics those that take most room have a series of their own. Left out: numbers of each
 * partition, group and client.
 * @module */
import type { BrokerMetrics } from "./kafka/broker/mod.ts";
import { Counter, Gauge, histogramSeries, type Metric, type Registry } from "./prometheus.ts";

/** Topics with a series of their own; the others together are `other`. */
const MAX_TOPICS = 100;

/** Adds the broker's metrics; the returned function shows a new snapshot of them. */
export function addBrokerMetrics(registry: Registry): (snapshot: BrokerMetrics) => void {
  const gauge = <L extends string = never>(name: string, help: string, ...labelNames: L[]) =>
    registry.add(new Gauge<L>(`tailrace_broker_${name}`, help, labelNames));
  const counter = <L extends string = never>(name: string, help: string, ...labelNames: L[]) =>
    registry.add(new Counter<L>(`tailrace_broker_${name}`, help, labelNames));
  const requests = counter("requests_total", "Kafka requests answered, by their first error", "api", "error");
  const refused = counter("refused_connections_total", "Connections refused or ended, by what for", "reason");
  const logins = counter("authentications_total", "Logins of Kafka clients", "mechanism", "outcome");
  const received = counter("received_bytes_total", "Bytes received from Kafka clients");
  const sent = counter("sent_bytes_total", "Bytes sent to Kafka clients");
  const connections = gauge("connections", "Open connections of Kafka clients");
  const logBytes = gauge("log_bytes", "Size of the stored records", "topic");
  const topics = gauge("topics", "Topics");
  const partitions = gauge("partitions", "Partitions of all topics");
  const openTransactions = gauge("open_transactions", "Transactions that have begun and not ended");
  const groups = gauge("groups", "Consumer groups", "state");
  const commits = registry.add(
    new SnapshotHistogram("tailrace_broker_commit_duration_seconds", "Time of a commit to disk"),
  );
  return (snapshot) => {
    for (const { kind, count } of snapshot.refusedConnections) refused.set({ reason: kind }, count);
    for (const { mechanism, outcome, count } of snapshot.authentications) {
      logins.set({ mechanism, outcome }, count);
    }
    received.set({}, snapshot.bytesIn);
    sent.set({}, snapshot.bytesOut);
    for (const { api, error, count } of snapshot.requests) requests.set({ api, error }, count);
    connections.set({}, snapshot.connections);
    logBytes.replace(biggest(snapshot.topicBytes).map(({ topic, bytes }) => [{ topic }, bytes]));
    topics.set({}, snapshot.topics);
    partitions.set({}, snapshot.partitions);
    openTransactions.set({}, snapshot.openTransactions);
    for (const { state, count } of snapshot.groups) groups.set({ state }, count);
    commits.latest = snapshot.commitSeconds;
  };
}

/** The topics that take most room, and what the others take together. No topic is called "other", or it counts there. */
function biggest(topics: BrokerMetrics["topicBytes"]): { topic: string; bytes: number }[] {
  if (topics.length <= MAX_TOPICS) return [...topics];
  const sorted = topics.toSorted((a, b) => b.bytes - a.bytes);
  const rest = sorted.splice(MAX_TOPICS - 1);
  const other = sorted.find(({ topic }) => topic === "other");
  const bytes = rest.reduce((sum, each) => sum + each.bytes, other?.bytes ?? 0);
  return [...sorted.filter((each) => each !== other), { topic: "other", bytes }];
}

/** A histogram that was counted elsewhere. */
class SnapshotHistogram implements Metric {
  readonly type = "histogram";
  latest: BrokerMetrics["commitSeconds"] = { buckets: [], sum: 0, count: 0 };

  constructor(readonly name: string, readonly help: string) {}

  series() {
    const { buckets, sum, count } = this.latest;
    return histogramSeries(buckets, sum, count);
  }
}
