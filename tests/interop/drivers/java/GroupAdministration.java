import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** What an administrator does with groups and their offsets. */
final class GroupAdministration {
    private final Admin admin;

    GroupAdministration(Admin admin) {
        this.admin = admin;
    }

    void addTo(Map<String, Driver.Operation> operations) {
        operations.put("listGroups", question -> listGroups());
        operations.put("describeGroup", this::describeGroup);
        operations.put("deleteGroups", question -> Administration.done(
                admin.deleteConsumerGroups(Administration.strings(question.get("groups"))).all()));
        operations.put("groupOffsets", this::groupOffsets);
        operations.put("alterGroupOffsets", this::alterGroupOffsets);
        operations.put("deleteGroupOffsets", question -> Administration.done(admin.deleteConsumerGroupOffsets(
                question.get("group").asText(), partitions(question)).all()));
    }

    private ObjectNode listGroups() throws Exception {
        ObjectNode told = Driver.JSON.createObjectNode();
        ArrayNode groups = told.putArray("groups");
        for (GroupListing each : admin.listGroups(ListGroupsOptions.forConsumerGroups()).all().get()) {
            ObjectNode group = groups.addObject().put("group", each.groupId());
            each.groupState().ifPresent(state -> group.put("state", state.toString()));
        }
        return told;
    }

    private ObjectNode describeGroup(JsonNode question) throws Exception {
        String name = question.get("group").asText();
        ConsumerGroupDescription found = admin.describeConsumerGroups(List.of(name)).all().get().get(name);
        ObjectNode told = Driver.JSON.createObjectNode();
        told.put("state", found.groupState().toString()).put("protocol", found.partitionAssignor());
        ArrayNode members = told.putArray("members");
        for (MemberDescription each : found.members()) {
            ObjectNode member = members.addObject().put("memberId", each.consumerId()).put("clientId", each.clientId());
            ArrayNode assigned = member.putArray("assigned");
            for (TopicPartition partition : each.assignment().topicPartitions()) {
                assigned.addObject().put("topic", partition.topic()).put("partition", partition.partition());
            }
        }
        return told;
    }

    private static Set<TopicPartition> partitions(JsonNode question) {
        Set<TopicPartition> partitions = new HashSet<>();
        for (JsonNode partition : question.get("partitions")) {
            partitions.add(new TopicPartition(question.get("topic").asText(), partition.asInt()));
        }
        return partitions;
    }

    private ObjectNode groupOffsets(JsonNode question) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> found =
                admin.listConsumerGroupOffsets(question.get("group").asText()).partitionsToOffsetAndMetadata().get();
        ObjectNode told = Driver.JSON.createObjectNode();
        ArrayNode offsets = told.putArray("offsets");
        for (TopicPartition partition : partitions(question)) {
            OffsetAndMetadata offset = found.get(partition);
            if (offset != null) { // null: nothing was committed
                offsets.addObject()
                        .put("topic", partition.topic())
                        .put("partition", partition.partition())
                        .put("offset", offset.offset())
                        .put("metadata", offset.metadata());
            }
        }
        return told;
    }

    private ObjectNode alterGroupOffsets(JsonNode question) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (JsonNode each : question.get("offsets")) {
            offsets.put(
                    new TopicPartition(each.get("topic").asText(), each.get("partition").asInt()),
                    new OffsetAndMetadata(each.get("offset").asLong()));
        }
        return Administration.done(admin.alterConsumerGroupOffsets(question.get("group").asText(), offsets).all());
    }
}
