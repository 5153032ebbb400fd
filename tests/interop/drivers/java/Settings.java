import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Settings of the clients: what a question tells, and limits of time below the suite's own. */
final class Settings {
    private Settings() {}

    private static Map<String, Object> client(String bootstrap) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("client.id", "java");
        settings.put("request.timeout.ms", 30_000);
        return settings;
    }

    static Map<String, Object> administration(String bootstrap) {
        Map<String, Object> settings = client(bootstrap);
        settings.put("default.api.timeout.ms", 60_000);
        return settings;
    }

    static Map<String, Object> producer(String bootstrap) {
        Map<String, Object> settings = client(bootstrap);
        settings.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
        settings.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
        settings.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, 60_000);
        return settings;
    }

    static Map<String, Object> consumer(String bootstrap) {
        Map<String, Object> settings = client(bootstrap);
        settings.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
        settings.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
        settings.put("default.api.timeout.ms", 60_000);
        return settings;
    }

    /** Takes a setting from a question, where it tells one. */
    static void take(Map<String, Object> settings, JsonNode question, String field, String... names) {
        if (question.hasNonNull(field)) {
            for (String name : names) {
                settings.put(name, question.get(field).asText());
            }
        }
    }
}
