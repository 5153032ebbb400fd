"""kafka-python sends values as they come, as tests/interop/measurement_clients_test.ts uses it.

    send_kafka_python.py BOOTSTRAP TOPIC CODEC < lines      each line is a value, `none` compresses nothing
    send_kafka_python.py BOOTSTRAP TOPIC odd                what json.dumps, or a mistake, makes of things that are no measurements
"""

import json
import sys

from kafka import KafkaProducer

TIME = "2026-01-31T12:00:00"


def odd():
    values = [float("nan"), float("inf"), "12", None, True, [1]]
    yield from (json.dumps({"measurement": value, "measurement_time": TIME}).encode() for value in values)
    yield from (json.dumps({"measurement": 1, **more}).encode() for more in ({}, {"measurement_time": "noon"}))
    yield from (b"{", b"\x00\xff\xfe", b"", None, b"7", json.dumps({"measurement_time": TIME}).encode())


def main(bootstrap, topic, codec):
    compression = None if codec in ("none", "odd") else codec
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=compression, linger_ms=50)
    values = odd() if codec == "odd" else (line.strip() for line in sys.stdin.buffer)
    for value in values:
        producer.send(topic, key=b"sensor", value=value)
    producer.flush()
    producer.close()


main(*sys.argv[1:])
