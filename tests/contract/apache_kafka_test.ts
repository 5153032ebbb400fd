/** The contract suites on Apache Kafka: what holds on the embedded broker holds there, and the other way round. @module */
import { ApacheKafka } from "../apache_kafka.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { aggregationsContract } from "./aggregations.ts";
import { foldTaskContract } from "./fold_task.ts";
import { framesContract } from "./frames.ts";
import { geoContract } from "./geo.ts";
import { histogramServiceContract } from "./histogram_service.ts";
import { contractMeasurements, histogramsContract } from "./histograms.ts";
import { kafkaContract } from "./kafka.ts";
import { membershipContract } from "./membership.ts";
import { topicsContract } from "./topics.ts";
import { transactionalProducerContract } from "./transactional_producer.ts";
import { transactionContract } from "./transactions.ts";
import { videoContract } from "./video.ts";
import { videoPublishContract } from "./video_publish.ts";
import { windowTaskContract } from "./window_task.ts";
import { windowsContract } from "./windows.ts";

const { ignore } = requires("apache-kafka");
let kafka: ApacheKafka;
let service: Service;

if (!ignore) {
  Deno.test.beforeAll(async () => {
    kafka = await ApacheKafka.open();
    service = await Service.open({
      kafkaBrokers: kafka.bootstrap,
      settings: { HEARTBEAT_MS: "300", MEASUREMENTS: contractMeasurements },
    });
  });
  Deno.test.afterAll(async () => {
    await service?.[Symbol.asyncDispose]();
    await kafka?.[Symbol.asyncDispose]();
  });
}

kafkaContract("Apache Kafka", ignore, () => kafka.bootstrap);
membershipContract("Apache Kafka", ignore, () => kafka.bootstrap);
transactionContract("Apache Kafka", ignore, () => kafka.bootstrap);
transactionalProducerContract("Apache Kafka", ignore, () => kafka.bootstrap);
foldTaskContract("Apache Kafka", ignore, () => kafka.bootstrap);
histogramServiceContract("Apache Kafka", ignore, () => kafka.bootstrap);
windowTaskContract("Apache Kafka", ignore, () => kafka.bootstrap);
windowsContract("Apache Kafka", ignore, () => kafka.bootstrap);
geoContract("Apache Kafka", ignore, () => ({ service }));
topicsContract("Apache Kafka", ignore, () => ({ service }));
videoContract("Apache Kafka", ignore, () => ({ service }));
videoPublishContract("Apache Kafka", ignore, () => ({ service }));
framesContract("Apache Kafka", ignore, () => ({ service }));
histogramsContract("Apache Kafka", ignore, () => ({ service }));
aggregationsContract("Apache Kafka", ignore, () => ({ service }));
