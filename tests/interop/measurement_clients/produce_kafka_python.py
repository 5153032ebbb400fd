"""Mock measurements through kafka-python, as tests/interop/measurement_clients_test.ts uses it.

    produce_kafka_python.py BOOTSTRAP ROUNDS NAME:FIRST:LAST:STEP…

One of each measurement in turn, flushed one by one, with the local time as isoformat() writes it. Prints each as a line of JSON, with
the counts and edges that numpy has for all of its topic up to it.
"""

import datetime
import json
import random
import sys

import numpy
from kafka import KafkaProducer


class Topic:
    def __init__(self, spec):
        self.name, first, last, step = spec.split(":")
        self.values = range(int(first), int(last) + 1, int(step))
        bins = -(-len(self.values) // 2)
        self.edges = numpy.linspace(int(first), int(last), bins + 1)
        self.hist = numpy.zeros(bins)

    def next(self):
        value = random.choice(self.values)
        self.hist += numpy.histogram(value, bins=self.edges)[0]
        return value


def main(bootstrap, rounds, *specs):
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        client_id="weather",
        value_serializer=lambda value: json.dumps(value).encode("utf-8"),
    )
    topics = [Topic(spec) for spec in specs]
    for _ in range(int(rounds)):
        for topic in topics:
            record = {"measurement": topic.next(), "measurement_time": datetime.datetime.now().isoformat()}
            producer.send(topic.name, record)
            producer.flush()
            told = {"topic": topic.name, "hist": topic.hist.tolist(), "bin_edges": topic.edges.tolist()}
            print(json.dumps({**record, **told}), flush=True)
    producer.close()


main(*sys.argv[1:])
