"""kafka-python as tests/interop/secured_broker_test.ts uses it.

    secured_client.py BOOTSTRAP MECHANISM CA_FILE USER PASSWORD TOPIC     writes and reads 100 records over TLS

Prints "read 100", or "refused" when it cannot log in.
"""

import sys

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError


def main(bootstrap, mechanism, ca_file, user, password, topic):
    options = dict(
        bootstrap_servers=bootstrap,
        security_protocol="SASL_SSL",
        ssl_cafile=ca_file,
        sasl_mechanism=mechanism,
        sasl_plain_username=user,
        sasl_plain_password=password,
        bootstrap_timeout_ms=3_000,
    )
    try:
        producer = KafkaProducer(**options)
        for n in range(100):
            producer.send(topic, b"%d" % n)
        producer.flush()
        producer.close()
    except KafkaTimeoutError:  # it tries a refused login again until then
        print("refused")
        return
    consumer = KafkaConsumer(topic, group_id=None, auto_offset_reset="earliest", **options)
    read = set()
    while len(read) < 100:
        for messages in consumer.poll(timeout_ms=10_000, max_records=100).values():
            read.update(message.value for message in messages)
    consumer.close()
    print("read", len(read))


main(*sys.argv[1:])
