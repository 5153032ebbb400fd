import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Records as the driver protocol tells them. */
final class Records {
    /** Values longer than this are told by their length. */
    private static final int LONGEST_VALUE = 1000;

    private Records() {}

    /** Sends all records and answers where each went. */
    static ObjectNode send(KafkaProducer<byte[], byte[]> producer, JsonNode question)
            throws ExecutionException, InterruptedException {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode record : question.get("records")) {
            sent.add(producer.send(toKafka(question.get("topic").asText(), record)));
        }
        producer.flush();
        ObjectNode told = Driver.JSON.createObjectNode();
        ArrayNode places = told.putArray("records");
        for (Future<RecordMetadata> each : sent) {
            RecordMetadata place = each.get();
            places.addObject().put("partition", place.partition()).put("offset", place.offset());
        }
        return told;
    }

    private static ProducerRecord<byte[], byte[]> toKafka(String topic, JsonNode record) {
        List<Header> headers = new ArrayList<>();
        for (JsonNode header : record.path("headers")) {
            headers.add(new RecordHeader(header.get(0).asText(), bytes(header.get(1))));
        }
        Integer partition = record.has("partition") ? Integer.valueOf(record.get("partition").asInt()) : null;
        Long timestamp = record.has("timestamp") ? Long.valueOf(record.get("timestamp").asLong()) : null;
        return new ProducerRecord<>(
                topic, partition, timestamp, bytes(record.path("key")), bytes(record.path("value")), headers);
    }

    private static byte[] bytes(JsonNode value) {
        if (value.isNull() || value.isMissingNode()) {
            return null;
        }
        if (value.isObject()) {
            byte[] repeated = new byte[value.get("bytes").asInt()];
            Arrays.fill(repeated, (byte) 'x');
            return repeated;
        }
        return value.asText().getBytes(StandardCharsets.UTF_8);
    }

    static ObjectNode fromKafka(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode told = Driver.JSON.createObjectNode();
        told.put("partition", record.partition()).put("offset", record.offset()).put("timestamp", record.timestamp());
        told.put("key", text(record.key()));
        byte[] value = record.value();
        if (value != null && value.length > LONGEST_VALUE) {
            told.putObject("value").put("bytes", value.length);
        } else {
            told.put("value", text(value));
        }
        ArrayNode headers = told.putArray("headers");
        for (Header header : record.headers()) {
            headers.addArray().add(header.key()).add(text(header.value()));
        }
        return told;
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }
}
