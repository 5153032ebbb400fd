import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Reads one topic and writes another, exactly once: offsets are committed in the transaction, as the member that it is. */
final class ExactlyOnce {
    private final String bootstrap;

    ExactlyOnce(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    void addTo(Map<String, Driver.Operation> operations) {
        operations.put("txn.process", this::process);
    }

    private ObjectNode process(JsonNode question) {
        Map<String, Object> writing = Settings.producer(bootstrap);
        Settings.take(writing, question, "transactionalId", ProducerConfig.TRANSACTIONAL_ID_CONFIG);
        Map<String, Object> reading = Settings.consumer(bootstrap);
        Settings.take(reading, question, "group", ConsumerConfig.GROUP_ID_CONFIG);
        reading.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        reading.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        reading.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        reading.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 300);
        reading.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 10);
        Duration idle = Duration.ofMillis(question.get("idleMs").asLong());
        int processed = 0;
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(writing);
                KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(reading)) {
            producer.initTransactions();
            consumer.subscribe(List.of(question.get("from").asText()));
            for (var polled = consumer.poll(idle); !polled.isEmpty(); polled = consumer.poll(idle)) {
                processed += transform(producer, consumer, polled, question.get("to").asText());
            }
        }
        return Driver.JSON.createObjectNode().put("processed", processed);
    }

    /** Answers how many records went to their topic in one transaction: all, or none where the group was rebalanced meanwhile. */
    private static int transform(
            KafkaProducer<byte[], byte[]> producer,
            KafkaConsumer<byte[], byte[]> consumer,
            ConsumerRecords<byte[], byte[]> polled,
            String to) {
        producer.beginTransaction();
        Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : polled) {
            byte[] made = Arrays.copyOf(record.value(), record.value().length + 1);
            made[made.length - 1] = '!';
            producer.send(new ProducerRecord<>(to, record.key(), made));
            next.put(
                    new TopicPartition(record.topic(), record.partition()),
                    new OffsetAndMetadata(record.offset() + 1, record.leaderEpoch(), ""));
        }
        try {
            producer.sendOffsetsToTransaction(next, consumer.groupMetadata());
            producer.commitTransaction();
            return polled.count();
        } catch (CommitFailedException error) {
            producer.abortTransaction();
            rewind(consumer);
            return 0;
        }
    }

    /** Goes back to what is committed of the partitions it still has. */
    private static void rewind(KafkaConsumer<byte[], byte[]> consumer) {
        Set<TopicPartition> assigned = consumer.assignment();
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(assigned);
        for (TopicPartition partition : assigned) {
            OffsetAndMetadata offset = committed.get(partition);
            if (offset == null) {
                consumer.seekToBeginning(List.of(partition));
            } else {
                consumer.seek(partition, offset);
            }
        }
    }
}
