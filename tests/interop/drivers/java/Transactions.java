import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;

/** Transactional producers, by the handle that the suite gave each. */
final class Transactions implements AutoCloseable {
    /** Time that a producer may take to its end: one with an open transaction aborts it first. */
    private static final Duration TO_THE_END = Duration.ofSeconds(10);

    private final String bootstrap;
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new ConcurrentHashMap<>();

    Transactions(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    /** What is done with the producer of a question. */
    private interface Step {
        void run(KafkaProducer<byte[], byte[]> producer);
    }

    void addTo(Map<String, Driver.Operation> operations) {
        operations.put("txn.open", this::open);
        operations.put("txn.begin", question -> step(question, KafkaProducer::beginTransaction));
        operations.put("txn.send", question -> Records.send(producer(question), question));
        operations.put("txn.sendOffsets", question -> step(question, producer -> sendOffsets(producer, question)));
        operations.put("txn.commit", question -> step(question, KafkaProducer::commitTransaction));
        operations.put("txn.abort", question -> step(question, KafkaProducer::abortTransaction));
        operations.put("txn.close", question -> {
            KafkaProducer<byte[], byte[]> producer = producer(question);
            producers.remove(question.get("handle").asText());
            producer.close(TO_THE_END);
            return Driver.JSON.createObjectNode();
        });
    }

    private ObjectNode open(JsonNode question) {
        Map<String, Object> settings = Settings.producer(bootstrap);
        settings.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, 60_000);
        Settings.take(settings, question, "transactionalId", ProducerConfig.TRANSACTIONAL_ID_CONFIG);
        Settings.take(settings, question, "timeoutMs", ProducerConfig.TRANSACTION_TIMEOUT_CONFIG);
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings);
        try {
            producer.initTransactions();
        } catch (RuntimeException error) {
            producer.close(Duration.ZERO);
            throw error;
        }
        producers.put(question.get("handle").asText(), producer);
        return Driver.JSON.createObjectNode();
    }

    private KafkaProducer<byte[], byte[]> producer(JsonNode question) {
        String handle = question.get("handle").asText();
        KafkaProducer<byte[], byte[]> producer = producers.get(handle);
        if (producer == null) {
            throw new IllegalArgumentException("There is no transactional producer " + handle);
        }
        return producer;
    }

    private ObjectNode step(JsonNode question, Step step) {
        step.run(producer(question));
        return Driver.JSON.createObjectNode();
    }

    private void sendOffsets(KafkaProducer<byte[], byte[]> producer, JsonNode question) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (JsonNode each : question.get("offsets")) {
            offsets.put(
                    new TopicPartition(each.get("topic").asText(), each.get("partition").asInt()),
                    new OffsetAndMetadata(each.get("offset").asLong()));
        }
        // A consumer that never joined stands for the group as a whole.
        Map<String, Object> settings = Settings.consumer(bootstrap);
        settings.put(ConsumerConfig.GROUP_ID_CONFIG, question.get("group").asText());
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
        }
    }

    @Override
    public void close() {
        for (KafkaProducer<byte[], byte[]> producer : producers.values()) {
            producer.close(TO_THE_END);
        }
    }
}
