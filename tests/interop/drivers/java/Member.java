import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.FutureTask;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/** A consumer of a group on a thread of its own, which is the only one that touches the consumer. */
final class Member implements ConsumerRebalanceListener {
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Queue<FutureTask<Void>> tasks = new ConcurrentLinkedQueue<>();
    private final Thread thread;
    private volatile boolean open = true;

    // Guarded by this.
    private final List<ObjectNode> records = new ArrayList<>();
    private final Set<TopicPartition> assigned = new HashSet<>();
    /** After what it returned, by partition that it has. */
    private final Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();

    Member(Map<String, Object> settings, List<String> topics) {
        consumer = new KafkaConsumer<>(settings);
        consumer.subscribe(topics, this);
        thread = new Thread(this::run, "member");
        thread.start();
    }

    private void run() {
        try (consumer) {
            while (open) {
                poll();
                for (FutureTask<Void> task = tasks.poll(); task != null; task = tasks.poll()) {
                    task.run();
                }
            }
        } catch (KafkaException error) {
            error.printStackTrace(); // the suite sees that it gets nothing more
        }
    }

    private void poll() {
        var polled = consumer.poll(Duration.ofMillis(50));
        synchronized (this) {
            for (ConsumerRecord<byte[], byte[]> record : polled) {
                records.add(Records.fromKafka(record));
                next.put(
                        new TopicPartition(record.topic(), record.partition()),
                        new OffsetAndMetadata(record.offset() + 1, record.leaderEpoch(), ""));
            }
        }
    }

    @Override
    public synchronized void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        assigned.addAll(partitions);
    }

    /** What another member reads in between is its to commit. */
    @Override
    public synchronized void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        assigned.removeAll(partitions);
        next.keySet().removeAll(partitions);
    }

    synchronized ObjectNode state() {
        ObjectNode told = Driver.JSON.createObjectNode();
        ArrayNode partitions = told.putArray("assigned");
        for (TopicPartition each : assigned) {
            partitions.addObject().put("topic", each.topic()).put("partition", each.partition());
        }
        told.putArray("records").addAll(records);
        return told;
    }

    ObjectNode commit() throws Exception {
        return onThread(() -> {
            Map<TopicPartition, OffsetAndMetadata> offsets;
            synchronized (this) {
                offsets = Map.copyOf(next);
            }
            consumer.commitSync(offsets);
            return null;
        });
    }

    ObjectNode seek(TopicPartition partition, long offset) throws Exception {
        return onThread(() -> {
            consumer.seek(partition, offset);
            return null;
        });
    }

    private ObjectNode onThread(Callable<Void> what) throws Exception {
        FutureTask<Void> task = new FutureTask<>(what);
        tasks.add(task);
        task.get();
        return Driver.JSON.createObjectNode();
    }

    /** Leaves the group, unless it is a static member, which its session keeps. */
    void leave() throws InterruptedException {
        open = false;
        thread.join();
    }
}
