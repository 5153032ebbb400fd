"""confluent-kafka sends ten measurements in a transaction that it aborts, and so many in one that it commits.

    transactions_confluent.py BOOTSTRAP TOPIC COUNT
"""

import json
import sys

from confluent_kafka import Producer


def main(bootstrap, topic, count):
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-sensor"})

    def send(values):
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, json.dumps({"measurement": value, "measurement_time": "2026-01-31T12:00:00Z"}))
        producer.flush(30)

    producer.init_transactions(30)
    send([1] * 10)
    producer.abort_transaction(30)
    send(range(int(count)))
    producer.commit_transaction(30)


main(*sys.argv[1:])
