"""Histograms through kafka-python, as a program that plots them reads them: json.loads, and two arrays of numpy.

    read_kafka_python.py BOOTSTRAP TOPIC COUNT      prints each as a line of JSON, until one holds so many measurements
"""

import json
import sys

import numpy
from kafka import KafkaConsumer


def main(bootstrap, topic, count):
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        client_id="plotter",
        auto_offset_reset="earliest",
        value_deserializer=json.loads,
        consumer_timeout_ms=120_000,
    )
    for record in consumer:
        hist, edges = numpy.array(record.value["hist"]), numpy.array(record.value["bin_edges"])
        if hist.shape != edges[:-1].shape:
            raise ValueError(f"{hist.shape} counts for {edges.shape} edges")
        print(json.dumps({"hist": hist.tolist(), "bin_edges": edges.tolist()}), flush=True)
        if hist.sum() >= int(count):
            break
    consumer.close()


main(*sys.argv[1:])
