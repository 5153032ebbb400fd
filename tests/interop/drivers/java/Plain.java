import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;

/** Producing, and consuming without a group. */
final class Plain {
    /** Time that a consumer may take to its end: it waits for the answer to its last fetch. */
    private static final Duration TO_THE_END = Duration.ofSeconds(2);

    private final String bootstrap;

    Plain(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    void addTo(Map<String, Driver.Operation> operations) {
        operations.put("produce", this::produce);
        operations.put("consume", this::consume);
    }

    private ObjectNode produce(JsonNode question) throws Exception {
        Map<String, Object> settings = Settings.producer(bootstrap);
        // The client asks for the metadata of a topic that is not there until this time is over.
        settings.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, 60_000);
        Settings.take(settings, question, "codec", ProducerConfig.COMPRESSION_TYPE_CONFIG);
        Settings.take(settings, question, "acks", ProducerConfig.ACKS_CONFIG);
        Settings.take(settings, question, "idempotent", ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG);
        Settings.take(settings, question, "maxRequestBytes", ProducerConfig.MAX_REQUEST_SIZE_CONFIG);
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
            return Records.send(producer, question);
        }
    }

    private ObjectNode consume(JsonNode question) {
        Map<String, Object> settings = Settings.consumer(bootstrap);
        Settings.take(settings, question, "isolation", ConsumerConfig.ISOLATION_LEVEL_CONFIG);
        Settings.take(settings, question, "autoReset", ConsumerConfig.AUTO_OFFSET_RESET_CONFIG);
        Settings.take(settings, question, "maxFetchBytes",
                ConsumerConfig.FETCH_MAX_BYTES_CONFIG, ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG);
        Settings.take(settings, question, "maxWaitMs", ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG);
        settings.put(ConsumerConfig.REQUEST_TIMEOUT_MS_CONFIG, 30_000 + question.path("maxWaitMs").asInt());
        int count = question.get("count").asInt();
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(question.get("timeoutMs").asLong());
        ObjectNode told = Driver.JSON.createObjectNode();
        ArrayNode records = told.putArray("records");
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings);
        try {
            place(consumer, question);
            while (records.size() < count && end - System.nanoTime() > 0) {
                Duration left = Duration.ofNanos(Math.max(0, end - System.nanoTime()));
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(left)) {
                    if (records.size() < count) {
                        records.add(Records.fromKafka(record));
                    }
                }
            }
        } finally {
            consumer.close(CloseOptions.timeout(TO_THE_END));
        }
        return told;
    }

    private static void place(KafkaConsumer<byte[], byte[]> consumer, JsonNode question) {
        JsonNode positions = question.get("positions");
        List<TopicPartition> partitions = new ArrayList<>();
        for (Iterator<String> names = positions.fieldNames(); names.hasNext(); ) {
            partitions.add(new TopicPartition(question.get("topic").asText(), Integer.parseInt(names.next())));
        }
        consumer.assign(partitions);
        for (TopicPartition partition : partitions) {
            JsonNode position = positions.get(String.valueOf(partition.partition()));
            if (position.isNumber()) {
                consumer.seek(partition, position.asLong());
            } else {
                consumer.seekToBeginning(List.of(partition));
            }
        }
    }
}
