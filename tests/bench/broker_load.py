"""The load of `deno task bench:broker` through librdkafka: one job, told as JSON in the first argument; how many seconds
it took goes to stdout."""

import json
import sys
import time
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition

job = json.loads(sys.argv[1])


def produce():
    producer = Producer({"bootstrap.servers": job["bootstrap"], "acks": "all", "queue.buffering.max.kbytes": 262144})
    value = b"a" * job["bytes"]
    failed = []

    def delivered(error, _message):
        if error is not None:
            failed.append(error)

    began = time.monotonic()
    for n in range(job["count"]):
        while True:
            try:
                producer.produce(job["topic"], value, partition=n // 500 % job["partitions"], on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.01)
        if n % 1000 == 0:
            producer.poll(0)
    left = producer.flush(120)
    if failed or left:
        raise SystemExit(f"{len(failed)} messages failed ({failed[:1]}), {left} were not sent")
    return time.monotonic() - began


def consume():
    consumer = Consumer({"bootstrap.servers": job["bootstrap"], "group.id": f"bench-{uuid.uuid4()}"})
    consumer.assign([TopicPartition(job["topic"], n, 0) for n in range(job["partitions"])])
    began = time.monotonic()
    read = 0
    while read < job["count"]:
        for message in consumer.consume(1000, 0.05):
            if message.error() is not None:
                raise SystemExit(str(message.error()))
            read += 1
    seconds = time.monotonic() - began
    consumer.close()
    return seconds


print(json.dumps({"seconds": produce() if job["kind"] == "produce" else consume()}))
