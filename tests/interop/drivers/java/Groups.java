import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.common.TopicPartition;

/** Consumers in groups, by the name that the suite gave each. */
final class Groups implements AutoCloseable {
    private static final Map<String, String> ASSIGNORS = Map.of(
            "range", RangeAssignor.class.getName(),
            "roundrobin", RoundRobinAssignor.class.getName(),
            "cooperative-sticky", CooperativeStickyAssignor.class.getName());

    private final String bootstrap;
    private final Map<String, Member> members = new ConcurrentHashMap<>();

    Groups(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    void addTo(Map<String, Driver.Operation> operations) {
        operations.put("group.join", this::join);
        operations.put("group.state", question -> member(question).state());
        operations.put("group.commit", question -> member(question).commit());
        operations.put("group.seek", this::seek);
        operations.put("group.leave", this::leave);
    }

    private Member member(JsonNode question) {
        String name = question.get("member").asText();
        Member member = members.get(name);
        if (member == null) {
            throw new IllegalArgumentException("There is no member " + name);
        }
        return member;
    }

    private ObjectNode join(JsonNode question) {
        Map<String, Object> settings = Settings.consumer(bootstrap);
        settings.put(ConsumerConfig.GROUP_ID_CONFIG, question.get("group").asText());
        settings.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 300);
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, question.path("autoCommit").asBoolean());
        if (question.hasNonNull("assignor")) {
            settings.put(
                    ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG,
                    ASSIGNORS.get(question.get("assignor").asText()));
        }
        Settings.take(settings, question, "instanceId", ConsumerConfig.GROUP_INSTANCE_ID_CONFIG);
        Settings.take(settings, question, "sessionTimeoutMs", ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG);
        Settings.take(settings, question, "from", ConsumerConfig.AUTO_OFFSET_RESET_CONFIG);
        List<String> topics = new ArrayList<>();
        question.get("topics").forEach(topic -> topics.add(topic.asText()));
        members.put(question.get("member").asText(), new Member(settings, topics));
        return Driver.JSON.createObjectNode();
    }

    private ObjectNode seek(JsonNode question) throws Exception {
        TopicPartition partition =
                new TopicPartition(question.get("topic").asText(), question.get("partition").asInt());
        return member(question).seek(partition, question.get("offset").asLong());
    }

    private ObjectNode leave(JsonNode question) throws Exception {
        Member member = member(question);
        members.remove(question.get("member").asText());
        member.leave();
        return Driver.JSON.createObjectNode();
    }

    @Override
    public void close() {
        try {
            for (Member member : members.values()) {
                member.leave();
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }
}
