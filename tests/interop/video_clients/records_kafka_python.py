"""kafka-python on a topic of video, as tests/interop/video_clients_test.ts uses it.

    records_kafka_python.py BOOTSTRAP TOPIC write FOLDER     sends the JPEGs of a folder, in the order of their names: the first third
                                                             with key, headers and time, the next with a key alone, the rest with neither
    records_kafka_python.py BOOTSTRAP TOPIC read COUNT       prints so many records as lines of JSON
"""

import hashlib
import json
import sys
import time
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer


def write(bootstrap, topic, folder):
    files = sorted(Path(folder).glob("*.jpg"))
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    start = int(time.time() * 1000) - 60_000
    for n, file in enumerate(files):
        at = start + 100 * n
        headers = [("content-type", b"image/jpeg"), ("captured-at", str(at).encode()), ("source", b"script")]
        more = [{"key": b"door", "headers": headers, "timestamp_ms": at}, {"key": b"door"}, {}]
        producer.send(topic, file.read_bytes(), partition=0, **more[n * len(more) // len(files)]).get(120)
    producer.close()


def read(bootstrap, topic, count):
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=120_000
    )
    for _, record in zip(range(int(count)), consumer):
        told = {
            "offset": record.offset,
            "key": record.key.decode(),
            "timestamp": record.timestamp,
            "headers": {name: value.decode() for name, value in record.headers},
            "digest": hashlib.sha256(record.value).hexdigest(),
        }
        print(json.dumps(told), flush=True)
    consumer.close()


def main(bootstrap, topic, what, argument):
    {"write": write, "read": read}[what](bootstrap, topic, argument)


main(*sys.argv[1:])
