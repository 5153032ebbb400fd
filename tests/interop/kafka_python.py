"""kafka-python as tests/interop/kafka_python_test.ts uses it: one job per process, told by its arguments.

    kafka_python.py produce   BOOTSTRAP TOPIC COUNT          idempotent; prints {"partition", "offset"} per record
    kafka_python.py consume   BOOTSTRAP TOPIC COUNT          no group; prints a line per record
    kafka_python.py member    BOOTSTRAP TOPIC GROUP          until SIGTERM; prints {"assigned"} and a line per record

Every line is one JSON object. A member commits what it has printed, and leaves its group when it is told to end.
"""

import json
import signal
import sys

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition


def say(**fields):
    print(json.dumps(fields), flush=True)


def record(message):
    say(
        partition=message.partition,
        offset=message.offset,
        key=message.key.decode(),
        value=message.value.decode(),
        headers={name: value.decode() for name, value in message.headers},
    )


def produce(bootstrap, topic, count):
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        acks="all",
        compression_type="gzip",
        linger_ms=5,
    )
    sent = [
        producer.send(topic, key=b"key-%d" % (n % 7), value=b"%d" % n, headers=[("n", b"%d" % n)])
        for n in range(int(count))
    ]
    producer.flush()
    for future in sent:
        metadata = future.get(timeout=30)
        say(partition=metadata.partition, offset=metadata.offset)
    producer.close()


def consume(bootstrap, topic, count):
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, consumer_timeout_ms=30_000)
    partitions = [TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    left = int(count)
    for message in consumer:
        record(message)
        left -= 1
        if left == 0:
            break
    consumer.close()


class Assigned(ConsumerRebalanceListener):
    def on_partitions_revoked(self, revoked):
        pass

    def on_partitions_assigned(self, assigned):
        say(assigned=sorted(partition.partition for partition in assigned))


def member(bootstrap, topic, group):
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6_000,
        heartbeat_interval_ms=200,
    )
    consumer.subscribe([topic], listener=Assigned())
    while not ending:
        for messages in consumer.poll(timeout_ms=100).values():
            for message in messages:
                record(message)
            consumer.commit()
    consumer.close()


if __name__ == "__main__":
    {"produce": produce, "consume": consume, "member": member}[sys.argv[1]](*sys.argv[2:])
