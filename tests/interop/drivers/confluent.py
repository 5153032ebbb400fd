"""Driver of confluent-kafka, which is librdkafka.

Left out, as the library has none of it: deleting offsets of a group, log directories; legacy AlterConfigs, which it deprecates.
"""

import functools
import sys
import time
import uuid

import confluent_kafka
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import ConsumerGroupTopicPartitions, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from serve_driver import PollingMember, admin_features, serve, to_bytes, to_headers, to_text, to_value

BOOTSTRAP = sys.argv[1]
COMMON = {"bootstrap.servers": BOOTSTRAP, "client.id": "confluent", "allow.auto.create.topics": False}
# How long the library goes on asking for a topic that is not there.
PRODUCER = {**COMMON, "topic.metadata.propagation.max.ms": 1_000, "message.timeout.ms": 60_000, "linger.ms": 5}
WAIT_S = 60
members, transactions = {}, {}

# Errors of its own that stand for one of Kafka's.
LOCAL_CODES = {
    KafkaError._UNKNOWN_TOPIC: 3,
    KafkaError._UNKNOWN_PARTITION: 3,
    KafkaError._AUTO_OFFSET_RESET: 1,
    KafkaError._FENCED: 90,
}


def code_of(error):
    found = error.args[0] if isinstance(error, KafkaException) else None
    if not isinstance(found, KafkaError):
        return None
    code = found.code()
    return code if code > 0 else LOCAL_CODES.get(code)


def hello():
    return {
        "client": "confluent-kafka",
        "version": f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})",
        "features": [
            *["produce", "consume", "listOffsets", "offsets", "headers", "nullHeaders", "timestamps", "tombstones"],
            *["nullKeys", "idempotent", "acks0", "transactions", "txnOffsets", "isolation", "largeMessages"],
            *["groups", "groupSeek", "static", "assignor:range", "assignor:roundrobin", "cooperative"],
            *["unknownTopic", "fetchLimit", "fetchWait", "txnTimeout", "validateOnly", "codec:gzip", "codec:snappy", "codec:lz4", "codec:zstd"],
            *admin_features(HANDLERS),
        ],
    }


def send_all(producer, topic, records):
    places = [None] * len(records)

    def delivered(n):
        def note(error, message):
            places[n] = error or {"partition": message.partition(), "offset": message.offset()}

        return note

    for n, record in enumerate(records):
        producer.produce(
            topic,
            key=to_bytes(record.get("key")),
            value=to_bytes(record["value"]),
            partition=record.get("partition", -1),
            headers=[(name, to_bytes(value)) for name, value in record.get("headers", [])],
            timestamp=record.get("timestamp", 0),
            on_delivery=delivered(n),
        )
    producer.flush(WAIT_S + 5)
    for place in places:
        if isinstance(place, KafkaError):
            raise KafkaException(place)
    return {"records": places}


def produce(topic, records, codec=None, idempotent=None, acks=None, maxRequestBytes=None):
    config = dict(PRODUCER)
    if codec is not None:
        config["compression.type"] = codec
    if idempotent is not None:
        config["enable.idempotence"] = idempotent
    if acks is not None:
        config["acks"] = acks
    if maxRequestBytes is not None:
        config["message.max.bytes"] = maxRequestBytes
    return send_all(Producer(config), topic, records)


def read_record(message):
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "key": to_text(message.key()),
        "value": to_value(message.value()),
        "headers": to_headers(message.headers()),
        "timestamp": message.timestamp()[1],
    }


def consume(topic, positions, count, timeoutMs, isolation=None, autoReset="earliest", maxFetchBytes=None, maxWaitMs=100):
    config = {
        **COMMON,
        "group.id": f"alone-{uuid.uuid4()}",
        "enable.auto.commit": False,
        "fetch.wait.max.ms": maxWaitMs,
        "auto.offset.reset": "error" if autoReset == "none" else autoReset,
    }
    if isolation is not None:
        config["isolation.level"] = isolation
    if maxFetchBytes is not None:
        config["fetch.message.max.bytes"] = maxFetchBytes
        config["fetch.max.bytes"] = max(maxFetchBytes, 1_000_000)  # may not be under message.max.bytes
        config["message.max.bytes"] = 1_000_000
    consumer = Consumer(config)
    records = []
    deadline = time.monotonic() + timeoutMs / 1000
    try:
        consumer.assign(
            [
                TopicPartition(topic, int(partition), confluent_kafka.OFFSET_BEGINNING if at == "earliest" else at)
                for partition, at in positions.items()
            ]
        )
        while len(records) < count and (left := deadline - time.monotonic()) > 0:
            message = consumer.poll(min(left, 0.5))
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            records.append(read_record(message))
    finally:
        consumer.close()
    return {"records": records}


def list_offsets(topic, partition, at, isolation="read_uncommitted"):
    spec = {"earliest": OffsetSpec.earliest, "latest": OffsetSpec.latest}.get(at)
    level = IsolationLevel.READ_COMMITTED if isolation == "read_committed" else IsolationLevel.READ_UNCOMMITTED
    where = TopicPartition(topic, partition)
    wanted = {where: spec() if spec else OffsetSpec.for_timestamp(at)}
    found = admin().list_offsets(wanted, isolation_level=level)[where].result(WAIT_S)
    return {"offset": found.offset, "timestamp": found.timestamp}


class Member(PollingMember):
    """A member of a consumer group."""

    def __init__(self, group, topics, assignor=None, instanceId=None, sessionTimeoutMs=30_000, autoCommit=False, **rest):
        config = {
            **COMMON,
            "group.id": group,
            "enable.auto.commit": autoCommit,
            "auto.commit.interval.ms": 100,
            "session.timeout.ms": sessionTimeoutMs,
            "heartbeat.interval.ms": 200,
            "fetch.wait.max.ms": 100,
            "auto.offset.reset": rest.get("from", "latest"),
        }
        if assignor is not None:
            config["partition.assignment.strategy"] = assignor
        if instanceId is not None:
            config["group.instance.id"] = instanceId
        consumer = Consumer(config)
        consumer.subscribe(topics)
        super().__init__(consumer)

    def read(self):
        message = self.consumer.poll(0.05)
        assigned = [(each.topic, each.partition) for each in self.consumer.assignment()]
        if message is None:
            return assigned, []
        if message.error():
            print(message.error(), file=sys.stderr)
            return assigned, []
        return assigned, [((message.topic(), message.partition()), read_record(message))]

    def commit(self):
        offsets = [TopicPartition(*place, offset) for place, offset in self.to_commit()]
        for each in self.ask(lambda: self.consumer.commit(offsets=offsets, asynchronous=False)):
            if each.error:
                raise KafkaException(each.error)

    def seek(self, topic, partition, offset):
        self.ask(lambda: self.consumer.seek(TopicPartition(topic, partition, offset)))


def join(member, **arguments):
    members[member] = Member(**arguments)


def leave(member):
    members.pop(member).leave()


def open_transactions(handle, transactionalId, timeoutMs=60_000):
    config = {**PRODUCER, "transactional.id": transactionalId, "transaction.timeout.ms": timeoutMs}
    config["message.timeout.ms"] = min(timeoutMs, 60_000)
    producer = transactions[handle] = Producer(config)
    producer.init_transactions(WAIT_S)


def send_offsets(handle, group, offsets):
    consumer = Consumer({**COMMON, "group.id": group})
    try:
        places = [TopicPartition(each["topic"], each["partition"], each["offset"]) for each in offsets]
        transactions[handle].send_offsets_to_transaction(places, consumer.consumer_group_metadata(), WAIT_S)
    finally:
        consumer.close()


@functools.cache
def admin():
    """One for all: what it is asked for ends with it."""
    return AdminClient({"bootstrap.servers": BOOTSTRAP, "client.id": "confluent"})


def results(futures):
    return [future.result(WAIT_S) for future in futures.values()]


def create_topics(topics, validateOnly=False):
    wanted = [
        NewTopic(each["name"], each["partitions"], 1, config=each.get("configs", {})) for each in topics
    ]
    results(admin().create_topics(wanted, validate_only=validateOnly))


def describe_topic(name):
    (found,) = results(admin().describe_topics(TopicCollection([name])))
    return {"partitions": [{"partition": each.id} for each in found.partitions], "id": str(found.topic_id)}


def delete_records(topic, offsets):
    wanted = [TopicPartition(topic, int(partition), offset) for partition, offset in offsets.items()]
    found = admin().delete_records(wanted)
    return {"low": {str(at.partition): future.result(WAIT_S).low_watermark for at, future in found.items()}}


def describe_configs(topic):
    (found,) = results(admin().describe_configs([ConfigResource(ResourceType.TOPIC, topic)]))
    return {"configs": {name: entry.value for name, entry in found.items()}}


def incremental_alter_configs(topic, set={}, delete=[], append={}, subtract={}):
    entries = [
        ConfigEntry(name, value, incremental_operation=operation)
        for operation, values in [
            (AlterConfigOpType.SET, set),
            (AlterConfigOpType.DELETE, {name: None for name in delete}),
            (AlterConfigOpType.APPEND, append),
            (AlterConfigOpType.SUBTRACT, subtract),
        ]
        for name, value in values.items()
    ]
    results(admin().incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)]))


def list_groups():
    found = admin().list_consumer_groups().result(WAIT_S)
    for error in found.errors:
        raise error
    return {"groups": [{"group": each.group_id, "state": state_name(each.state)} for each in found.valid]}


def state_name(state):
    """As Kafka spells it: PREPARING_REBALANCING is its PreparingRebalance."""
    return "".join(word.title() for word in state.name.split("_")).replace("Rebalancing", "Rebalance")


def describe_group(group):
    (found,) = results(admin().describe_consumer_groups([group]))
    return {
        "state": state_name(found.state),
        "protocol": found.partition_assignor,
        "members": [
            {
                "memberId": each.member_id,
                "clientId": each.client_id,
                "assigned": [
                    {"topic": at.topic, "partition": at.partition} for at in each.assignment.topic_partitions
                ],
            }
            for each in found.members
        ],
    }


def group_offsets(group, topic, partitions):
    wanted = [TopicPartition(topic, partition) for partition in partitions]
    (found,) = results(admin().list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, wanted)]))
    for each in found.topic_partitions:
        if each.error:
            raise KafkaException(each.error)
    return {
        "offsets": [
            {"topic": each.topic, "partition": each.partition, "offset": each.offset if each.offset >= 0 else -1}
            for each in found.topic_partitions
        ]
    }


def alter_group_offsets(group, offsets):
    wanted = [TopicPartition(each["topic"], each["partition"], each["offset"]) for each in offsets]
    (found,) = results(admin().alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, wanted)]))
    for each in found.topic_partitions:
        if each.error:
            raise KafkaException(each.error)


def describe_cluster():
    found = admin().describe_cluster().result(WAIT_S)
    return {"clusterId": found.cluster_id, "brokers": len(found.nodes)}


HANDLERS = {
    "hello": hello,
    "produce": produce,
    "consume": consume,
    "listOffsets": list_offsets,
    "group.join": join,
    "group.state": lambda member: members[member].state(),
    "group.commit": lambda member: members[member].commit(),
    "group.seek": lambda member, **to: members[member].seek(**to),
    "group.leave": leave,
    "txn.open": open_transactions,
    "txn.begin": lambda handle: transactions[handle].begin_transaction(),
    "txn.send": lambda handle, topic, records: send_all(transactions[handle], topic, records),
    "txn.sendOffsets": send_offsets,
    "txn.commit": lambda handle: transactions[handle].commit_transaction(WAIT_S),
    "txn.abort": lambda handle: transactions[handle].abort_transaction(WAIT_S),
    "txn.close": lambda handle: transactions.pop(handle).flush(1) and None,
    "createTopics": create_topics,
    "deleteTopics": lambda names: results(admin().delete_topics(names)) and None,
    "listTopics": lambda: {"names": list(admin().list_topics(timeout=WAIT_S).topics)},
    "describeTopic": describe_topic,
    "createPartitions": lambda name, count: results(admin().create_partitions([NewPartitions(name, count)])) and None,
    "deleteRecords": delete_records,
    "describeConfigs": describe_configs,
    "incrementalAlterConfigs": incremental_alter_configs,
    "listGroups": list_groups,
    "describeGroup": describe_group,
    "deleteGroups": lambda groups: results(admin().delete_consumer_groups(groups)) and None,
    "groupOffsets": group_offsets,
    "alterGroupOffsets": alter_group_offsets,
    "describeCluster": describe_cluster,
}


def end():
    for name in list(members):
        leave(name)


serve(HANDLERS, code_of, end)
