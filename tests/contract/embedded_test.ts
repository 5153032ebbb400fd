/** The contract suites on the embedded broker. @module */
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

let service: Service;

Deno.test.beforeAll(async () => {
  service = await Service.open({ settings: { HEARTBEAT_MS: "300", MEASUREMENTS: contractMeasurements } });
});
Deno.test.afterAll(async () => {
  await service?.[Symbol.asyncDispose]();
});

kafkaContract("the embedded broker", false, () => service.bootstrap);
membershipContract("the embedded broker", false, () => service.bootstrap);
transactionContract("the embedded broker", false, () => service.bootstrap);
transactionalProducerContract("the embedded broker", false, () => service.bootstrap);
foldTaskContract("the embedded broker", false, () => service.bootstrap);
histogramServiceContract("the embedded broker", false, () => service.bootstrap);
windowTaskContract("the embedded broker", false, () => service.bootstrap);
windowsContract("the embedded broker", false, () => service.bootstrap);
geoContract("the embedded broker", false, () => ({ service }));
topicsContract("the embedded broker", false, () => ({ service }));
videoContract("the embedded broker", false, () => ({ service }));
videoPublishContract("the embedded broker", false, () => ({ service }));
framesContract("the embedded broker", false, () => ({ service }));
histogramsContract("the embedded broker", false, () => ({ service }));
aggregationsContract("the embedded broker", false, () => ({ service }));
