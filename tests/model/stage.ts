/** What a case runs on: a Kafka, a service in front of it, and ways to break either.
 *
 * Left out: the stages themselves (hub_stage.ts, service_stage.ts).
 * @module */
import type { Producer } from "../../kafka/producer.ts";
import type { Asked } from "./account.ts";
import type { Line, Listener } from "./client.ts";
import type { Admin, KafkaNode } from "./kafka_node.ts";
import type { Opening } from "./steps.ts";

/** A stage; a case has it for itself, or shares it with others where the stage says so. */
export interface Stage extends AsyncDisposable {
  readonly node: KafkaNode;
  readonly admin: Admin;
  /** Writes past the service. */
  readonly producer: Producer;
  /** The value of a record that is shown as this text. */
  valueOf(text: string): string;
  /** Before each case: a service is there. */
  begin(ringBytes: number): Promise<void>;
  /** Ends the service and starts another one, with so much memory for the newest records where it can be told. */
  restartService(ringBytes: number): Promise<void>;
  /** Leaves nothing of a case behind that another one would meet. */
  endCase(): Promise<void>;
  /** The topic was made, past the service. */
  created(topic: string): void;
  follow(topic: string, opening: Opening, asked: Asked, from: string | null, listener: Listener): Line;
  /** Cuts the service's connections to Kafka, which stays reachable. */
  cutKafka(): void;
  /** Kafka cannot be reached by the service, until it is `back`. */
  away(): Promise<void>;
  back(): Promise<void>;
  /** What the service reads of the log is late, until it is released. */
  hold(): void;
  release(): void;
}
