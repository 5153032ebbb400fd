import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DeletedRecords;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ReplicaInfo;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** What an administrator does with topics, records, settings and the cluster. Left out: groups, which {@link GroupAdministration} has. */
final class Administration implements AutoCloseable {
    private final Admin admin;

    Administration(String bootstrap) {
        admin = Admin.create(Settings.administration(bootstrap));
    }

    void addTo(Map<String, Driver.Operation> operations) {
        operations.put("listOffsets", this::listOffsets);
        operations.put("createTopics", this::createTopics);
        operations.put("deleteTopics", question -> done(admin.deleteTopics(strings(question.get("names"))).all()));
        operations.put("listTopics", question -> {
            ObjectNode told = Driver.JSON.createObjectNode();
            admin.listTopics().names().get().forEach(told.putArray("names")::add);
            return told;
        });
        operations.put("describeTopic", this::describeTopic);
        operations.put("createPartitions", question -> done(admin.createPartitions(Map.of(
                question.get("name").asText(), NewPartitions.increaseTo(question.get("count").asInt()))).all()));
        operations.put("deleteRecords", this::deleteRecords);
        operations.put("describeConfigs", this::describeConfigs);
        operations.put("incrementalAlterConfigs", this::incrementalAlterConfigs);
        operations.put("describeCluster", question -> {
            ObjectNode told = Driver.JSON.createObjectNode();
            told.put("clusterId", admin.describeCluster().clusterId().get());
            return told.put("brokers", admin.describeCluster().nodes().get().size());
        });
        operations.put("describeLogDirs", this::describeLogDirs);
        new GroupAdministration(admin).addTo(operations);
    }

    static ObjectNode done(KafkaFuture<?> future) throws Exception {
        future.get();
        return Driver.JSON.createObjectNode();
    }

    static List<String> strings(JsonNode names) {
        List<String> strings = new ArrayList<>();
        names.forEach(name -> strings.add(name.asText()));
        return strings;
    }

    private static Map<String, String> map(JsonNode object) {
        Map<String, String> map = new HashMap<>();
        object.properties().forEach(field -> map.put(field.getKey(), field.getValue().asText()));
        return map;
    }

    private static TopicPartition partition(JsonNode question) {
        return new TopicPartition(question.get("topic").asText(), question.get("partition").asInt());
    }

    private ObjectNode listOffsets(JsonNode question) throws Exception {
        String at = question.get("at").asText();
        OffsetSpec where = switch (at) {
            case "earliest" -> OffsetSpec.earliest();
            case "latest" -> OffsetSpec.latest();
            default -> OffsetSpec.forTimestamp(Long.parseLong(at));
        };
        boolean committed = question.path("isolation").asText().equals("read_committed");
        ListOffsetsOptions options = new ListOffsetsOptions(
                committed ? IsolationLevel.READ_COMMITTED : IsolationLevel.READ_UNCOMMITTED);
        ListOffsetsResultInfo found =
                admin.listOffsets(Map.of(partition(question), where), options).partitionResult(partition(question)).get();
        return Driver.JSON.createObjectNode().put("offset", found.offset()).put("timestamp", found.timestamp());
    }

    private ObjectNode createTopics(JsonNode question) throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        for (JsonNode topic : question.get("topics")) {
            topics.add(new NewTopic(topic.get("name").asText(), topic.get("partitions").asInt(), (short) 1)
                    .configs(map(topic.path("configs"))));
        }
        boolean validateOnly = question.path("validateOnly").asBoolean();
        return done(admin.createTopics(topics, new CreateTopicsOptions().validateOnly(validateOnly)).all());
    }

    private ObjectNode describeTopic(JsonNode question) throws Exception {
        String name = question.get("name").asText();
        TopicDescription found = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
        ObjectNode told = Driver.JSON.createObjectNode().put("id", found.topicId().toString());
        ArrayNode partitions = told.putArray("partitions");
        found.partitions().forEach(each -> partitions.addObject().put("partition", each.partition()));
        return told;
    }

    private ObjectNode deleteRecords(JsonNode question) throws Exception {
        Map<TopicPartition, RecordsToDelete> before = new HashMap<>();
        question.get("offsets").properties().forEach(field -> before.put(
                new TopicPartition(question.get("topic").asText(), Integer.parseInt(field.getKey())),
                RecordsToDelete.beforeOffset(field.getValue().asLong())));
        ObjectNode told = Driver.JSON.createObjectNode();
        ObjectNode low = told.putObject("low");
        for (Map.Entry<TopicPartition, KafkaFuture<DeletedRecords>> each :
                admin.deleteRecords(before).lowWatermarks().entrySet()) {
            low.put(String.valueOf(each.getKey().partition()), each.getValue().get().lowWatermark());
        }
        return told;
    }

    private static ConfigResource topic(JsonNode question) {
        return new ConfigResource(ConfigResource.Type.TOPIC, question.get("topic").asText());
    }

    private ObjectNode describeConfigs(JsonNode question) throws Exception {
        ConfigResource topic = topic(question);
        ObjectNode told = Driver.JSON.createObjectNode();
        ObjectNode configs = told.putObject("configs");
        for (ConfigEntry entry : admin.describeConfigs(List.of(topic)).all().get().get(topic).entries()) {
            configs.put(entry.name(), entry.value());
        }
        return told;
    }

    private ObjectNode incrementalAlterConfigs(JsonNode question) throws Exception {
        List<AlterConfigOp> changes = new ArrayList<>();
        map(question.path("set")).forEach((name, value) -> changes.add(change(name, value, AlterConfigOp.OpType.SET)));
        strings(question.path("delete")).forEach(name -> changes.add(change(name, "", AlterConfigOp.OpType.DELETE)));
        map(question.path("append"))
                .forEach((name, value) -> changes.add(change(name, value, AlterConfigOp.OpType.APPEND)));
        map(question.path("subtract"))
                .forEach((name, value) -> changes.add(change(name, value, AlterConfigOp.OpType.SUBTRACT)));
        return done(admin.incrementalAlterConfigs(Map.of(topic(question), changes)).all());
    }

    private static AlterConfigOp change(String name, String value, AlterConfigOp.OpType type) {
        return new AlterConfigOp(new ConfigEntry(name, value), type);
    }

    private ObjectNode describeLogDirs(JsonNode question) throws Exception {
        List<Integer> brokers = admin.describeCluster().nodes().get().stream().map(Node::id).toList();
        long bytes = 0;
        for (Map<String, LogDirDescription> folders : admin.describeLogDirs(brokers).allDescriptions().get().values()) {
            for (LogDirDescription folder : folders.values()) {
                for (Map.Entry<TopicPartition, ReplicaInfo> replica : folder.replicaInfos().entrySet()) {
                    if (replica.getKey().topic().equals(question.get("topic").asText())) {
                        bytes += replica.getValue().size();
                    }
                }
            }
        }
        return Driver.JSON.createObjectNode().put("bytes", bytes);
    }

    @Override
    public void close() {
        admin.close();
    }
}
