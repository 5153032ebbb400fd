import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.Stores;

/**
 * The work of kafka/processors/windows/ as one writes it with Kafka Streams: clicks by id, tumbling windows with a grace, one
 * result for each window when it closes.
 *
 * <p>Arguments: bootstrap, application id, input topic, grace in ms, processing guarantee, cache in bytes, threads; then a size in ms
 * and the topic of its windows, again and again. It runs until it is killed.
 */
public final class WindowsPeer {
  private static final int SIZES_FROM = 7;

  private WindowsPeer() {}

  public static void main(String[] args) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[4]);
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, args[5]);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[6]);
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
    settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    settings.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("java.io.tmpdir") + "/" + args[1]);
    KafkaStreams streams = new KafkaStreams(topology(args), settings);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }

  private static Topology topology(String[] args) {
    StreamsBuilder builder = new StreamsBuilder();
    KGroupedStream<String, byte[]> byId =
        builder.stream(args[2], Consumed.with(Serdes.ByteArray(), Serdes.String()))
            .map((key, id) -> new KeyValue<>(id, new byte[0]))
            .groupByKey(Grouped.with("by-id", Serdes.String(), Serdes.ByteArray()));
    Duration grace = Duration.ofMillis(Long.parseLong(args[3]));
    for (int i = SIZES_FROM; i + 1 < args.length; i += 2) {
      count(byId, Duration.ofMillis(Long.parseLong(args[i])), grace, args[i + 1]);
    }
    return builder.build();
  }

  private static void count(KGroupedStream<String, byte[]> byId, Duration size, Duration grace, String topic) {
    KTable<Windowed<String>, Long> counts =
        byId.windowedBy(TimeWindows.ofSizeAndGrace(size, grace))
            .count(
                Materialized.<String, Long>as(
                        Stores.inMemoryWindowStore("counts-" + size.toMillis(), size.plus(grace), size, false))
                    .withKeySerde(Serdes.String())
                    .withValueSerde(Serdes.Long())
                    .withCachingEnabled());
    counts.suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
        .toStream()
        .map((key, count) -> new KeyValue<>(key.key(), result(key, count, size)))
        .to(topic, Produced.with(Serdes.String(), Serdes.ByteArray()));
  }

  private static byte[] result(Windowed<String> key, long count, Duration size) {
    String json =
        "{\"type\":\"" + size.toMinutes() + "min\",\"video_uid\":\"" + key.key() + "\",\"count\":" + count
            + ",\"window_start\":" + key.window().start() + ",\"window_end\":" + key.window().end() + "}";
    return json.getBytes(StandardCharsets.UTF_8);
  }
}
