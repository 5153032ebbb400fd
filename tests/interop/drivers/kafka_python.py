"""Driver of kafka-python. Its producer is idempotent unless told otherwise.

Left out: headers without a value, which the library refuses to write; legacy AlterConfigs, to which the library adds what was changed before, so that it is no whole set.
"""

import re
import sys
import time

import kafka
import kafka.errors
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic, OffsetSpec
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from serve_driver import PollingMember, admin_features, serve, to_bytes, to_headers, to_text, to_value

BOOTSTRAP = sys.argv[1]
COMMON = {"bootstrap_servers": BOOTSTRAP, "client_id": "kafka-python"}
WAIT_S = 60
ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "cooperative-sticky": CooperativeStickyAssignor,
}
members, transactions = {}, {}


def code_of(error):
    """Kafka's number, of the error or of one it was made from."""
    while error is not None:
        if isinstance(error, kafka.errors.BrokerResponseError):
            return error.errno
        error = error.__cause__ or (error.args[0] if error.args and isinstance(error.args[0], Exception) else None)
    return None


def hello():
    return {
        "client": "kafka-python",
        "version": kafka.__version__,
        "features": [
            *["produce", "consume", "listOffsets", "offsets", "headers", "timestamps", "tombstones"],
            *["nullKeys", "idempotent", "acks0", "transactions", "txnOffsets", "isolation", "largeMessages"],
            *["groups", "groupSeek", "static", "assignor:range", "assignor:roundrobin", "cooperative", "fetchLimit"],
            *["fetchWait", "txnTimeout", "validateOnly", "codec:gzip", "codec:snappy", "codec:lz4", "codec:zstd"],
            *admin_features(HANDLERS),
        ],
    }


def send_all(producer, topic, records):
    sent = [
        producer.send(
            topic,
            key=to_bytes(record.get("key")),
            value=to_bytes(record["value"]),
            partition=record.get("partition"),
            headers=[(name, to_bytes(value)) for name, value in record.get("headers", [])],
            timestamp_ms=record.get("timestamp"),
        )
        for record in records
    ]
    producer.flush(timeout=WAIT_S)
    found = [future.get(timeout=WAIT_S) for future in sent]
    return {"records": [{"partition": each.partition, "offset": each.offset} for each in found]}


def produce(topic, records, codec=None, idempotent=None, acks=None, maxRequestBytes=None):
    config = {**COMMON, "linger_ms": 5, "allow_auto_create_topics": False}
    if codec not in (None, "none"):
        config["compression_type"] = codec
    if acks is not None:
        config["acks"] = acks
        if acks in (0, 1):
            idempotent = False  # the library wants both said
    if idempotent is not None:
        config["enable_idempotence"] = idempotent
    if maxRequestBytes is not None:
        config["max_request_size"] = maxRequestBytes
    producer = KafkaProducer(**config)
    try:
        return send_all(producer, topic, records)
    finally:
        producer.close(timeout=5)


def read_record(message):
    return {
        "partition": message.partition,
        "offset": message.offset,
        "key": to_text(message.key),
        "value": to_value(message.value),
        "headers": to_headers(message.headers),
        "timestamp": message.timestamp,
    }


def consume(topic, positions, count, timeoutMs, isolation=None, autoReset="earliest", maxFetchBytes=None, maxWaitMs=100):
    config = {
        **COMMON,
        "enable_auto_commit": False,
        "auto_offset_reset": autoReset,
        "fetch_max_wait_ms": maxWaitMs,
        "allow_auto_create_topics": False,
    }
    if isolation is not None:
        config["isolation_level"] = isolation
    if maxFetchBytes is not None:
        config["fetch_max_bytes"] = config["max_partition_fetch_bytes"] = maxFetchBytes
    consumer = KafkaConsumer(**config)
    records = []
    deadline = time.monotonic() + timeoutMs / 1000
    try:
        consumer.assign([TopicPartition(topic, int(partition)) for partition in positions])
        for partition, at in positions.items():
            if at == "earliest":
                consumer.seek_to_beginning(TopicPartition(topic, int(partition)))
            else:
                consumer.seek(TopicPartition(topic, int(partition)), at)
        while len(records) < count and time.monotonic() < deadline:
            for messages in consumer.poll(timeout_ms=200, max_records=count - len(records)).values():
                records.extend(read_record(message) for message in messages)
    finally:
        consumer.close()
    return {"records": records}


def list_offsets(topic, partition, at, isolation="read_uncommitted"):
    spec = {"earliest": OffsetSpec.EARLIEST, "latest": OffsetSpec.LATEST}.get(at, at)
    level = {"read_uncommitted": 0, "read_committed": 1}[isolation]
    where = TopicPartition(topic, partition)
    found = use_admin(lambda admin: admin.list_partition_offsets({where: spec}, isolation_level=level))
    return {"offset": found[where].offset, "timestamp": found[where].timestamp}


class Member(PollingMember):
    """A member of a consumer group."""

    def __init__(self, group, topics, assignor=None, instanceId=None, sessionTimeoutMs=30_000, autoCommit=False, **rest):
        config = {
            **COMMON,
            "group_id": group,
            "enable_auto_commit": autoCommit,
            "auto_commit_interval_ms": 100,
            "session_timeout_ms": sessionTimeoutMs,
            "heartbeat_interval_ms": 200,
            "fetch_max_wait_ms": 100,
            "auto_offset_reset": rest.get("from", "latest"),
            "allow_auto_create_topics": False,
        }
        if assignor is not None:
            config["partition_assignment_strategy"] = [ASSIGNORS[assignor]]
        if instanceId is not None:
            config["group_instance_id"] = instanceId
        consumer = KafkaConsumer(**config)
        consumer.subscribe(topics)
        super().__init__(consumer)

    def read(self):
        # A poll that ends while it joins may make it miss that it has joined.
        wait_ms = 500 if self.consumer.assignment() else 3_000
        try:
            found = self.consumer.poll(timeout_ms=wait_ms)
        except kafka.errors.KafkaError as error:
            print(error, file=sys.stderr)
            found = {}
        records = [(tuple(at), read_record(message)) for at, messages in found.items() for message in messages]
        return [tuple(at) for at in self.consumer.assignment()], records

    def commit(self):
        offsets = {TopicPartition(*place): OffsetAndMetadata(offset, "", -1) for place, offset in self.to_commit()}
        self.ask(lambda: self.consumer.commit(offsets))

    def seek(self, topic, partition, offset):
        self.ask(lambda: self.consumer.seek(TopicPartition(topic, partition), offset))


def join(member, **arguments):
    members[member] = Member(**arguments)


def leave(member):
    members.pop(member).leave()


def open_transactions(handle, transactionalId, timeoutMs=60_000):
    producer = KafkaProducer(**COMMON, transactional_id=transactionalId, transaction_timeout_ms=timeoutMs)
    transactions[handle] = producer
    producer.init_transactions()


def send_offsets(handle, group, offsets):
    places = {
        TopicPartition(each["topic"], each["partition"]): OffsetAndMetadata(each["offset"], "", -1) for each in offsets
    }
    transactions[handle].send_offsets_to_transaction(places, ConsumerGroupMetadata(group, -1, "", None))


def use_admin(work):
    admin = KafkaAdminClient(**COMMON)
    try:
        return work(admin)
    finally:
        admin.close()


def create_topics(topics, validateOnly=False):
    wanted = [
        NewTopic(each["name"], each["partitions"], 1, topic_configs=each.get("configs", {})) for each in topics
    ]
    use_admin(lambda admin: admin.create_topics(wanted, validate_only=validateOnly))


def describe_topic(name):
    (found,) = use_admin(lambda admin: admin.describe_topics([name]))
    if found["error_code"]:
        raise kafka.errors.for_code(found["error_code"])()
    return {
        "partitions": [{"partition": each["partition_index"]} for each in found["partitions"]],
        "id": str(found["topic_id"]),
    }


def delete_records(topic, offsets):
    wanted = {TopicPartition(topic, int(partition)): offset for partition, offset in offsets.items()}
    found = use_admin(lambda admin: admin.delete_records(wanted))
    return {"low": {str(at.partition): each["low_watermark"] for at, each in found.items()}}


def describe_configs(topic):
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    found = use_admin(lambda admin: admin.describe_configs([resource], config_filter="all"))
    return {"configs": {name: entry["value"] for name, entry in found["topic"][topic].items()}}


def alter(topic, configs, **options):
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)
    # As it comes, alter_configs looks whether the broker knows the names; here the broker is to say so.
    found = use_admin(lambda admin: admin.alter_configs([resource], raise_on_unknown=False, **options))
    refused(found["topic"][topic])


def refused(said):
    """Raises what the library only tells by the text of an error, or by its name."""
    if said in (None, "OK") or said is kafka.errors.NoError:
        return
    if isinstance(said, type):
        raise said()
    code = re.match(r"\[Error (-?\d+)\]", said)
    if code is not None:
        raise kafka.errors.for_code(int(code[1]))(said)
    raise getattr(kafka.errors, said)()


def incremental_alter_configs(topic, set={}, delete=[], append={}, subtract={}):
    alter(
        topic,
        {
            **{name: ("SET", value) for name, value in set.items()},
            **{name: ("DELETE", None) for name in delete},
            **{name: ("APPEND", value) for name, value in append.items()},
            **{name: ("SUBTRACT", value) for name, value in subtract.items()},
        },
        incremental=True,
    )


def list_groups():
    found = use_admin(lambda admin: admin.list_groups())
    return {"groups": [{"group": each["group_id"], "state": each.get("group_state")} for each in found]}


def describe_group(group):
    found = use_admin(lambda admin: admin.describe_groups([group]))[group]
    refused(found["error"])
    return {
        "state": found["group_state"],
        "protocol": found["protocol_data"],
        "members": [
            {
                "memberId": each["member_id"],
                "clientId": each["client_id"],
                "assigned": [
                    {"topic": topic["topic"], "partition": partition}
                    for topic in (each["member_assignment"] or {"assigned_partitions": []})["assigned_partitions"]
                    for partition in topic["partitions"]
                ],
            }
            for each in found["members"]
        ],
    }


def delete_groups(groups):
    for said in use_admin(lambda admin: admin.delete_groups(groups)).values():
        refused(said)


def group_offsets(group, topic, partitions):
    wanted = {group: [TopicPartition(topic, partition) for partition in partitions]}
    found = use_admin(lambda admin: admin.list_group_offsets(wanted))[group]
    return {
        "offsets": [
            {"topic": at.topic, "partition": at.partition, "offset": each.offset, "metadata": each.metadata}
            for at, each in found.items()
        ]
    }


def alter_group_offsets(group, offsets):
    wanted = {
        TopicPartition(each["topic"], each["partition"]): OffsetAndMetadata(each["offset"], "", -1) for each in offsets
    }
    for said in use_admin(lambda admin: admin.alter_group_offsets(group, wanted)).values():
        refused(said)


def delete_group_offsets(group, topic, partitions):
    wanted = [TopicPartition(topic, partition) for partition in partitions]
    for said in use_admin(lambda admin: admin.delete_group_offsets(group, wanted)).values():
        refused(said)


def describe_cluster():
    found = use_admin(lambda admin: admin.describe_cluster())
    return {"clusterId": found["cluster_id"], "brokers": len(found["brokers"])}


def describe_log_dirs(topic):
    found = use_admin(lambda admin: admin.describe_log_dirs([topic]))
    sizes = [
        partition["partition_size"]
        for broker in found
        for folder in broker["log_dirs"]
        for each in folder["topics"]
        for partition in each["partitions"]
    ]
    return {"bytes": sum(sizes)}


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
    "txn.commit": lambda handle: transactions[handle].commit_transaction(),
    "txn.abort": lambda handle: transactions[handle].abort_transaction(),
    "txn.close": lambda handle: transactions.pop(handle).close(timeout=5),
    "createTopics": create_topics,
    "deleteTopics": lambda names: use_admin(lambda admin: admin.delete_topics(names)) and None,
    "listTopics": lambda: {"names": list(use_admin(lambda admin: admin.list_topics()))},
    "describeTopic": describe_topic,
    "createPartitions": lambda name, count: use_admin(
        lambda admin: admin.create_partitions({name: NewPartitions(count)})
    )
    and None,
    "deleteRecords": delete_records,
    "describeConfigs": describe_configs,
    "incrementalAlterConfigs": incremental_alter_configs,
    "listGroups": list_groups,
    "describeGroup": describe_group,
    "deleteGroups": delete_groups,
    "groupOffsets": group_offsets,
    "alterGroupOffsets": alter_group_offsets,
    "deleteGroupOffsets": delete_group_offsets,
    "describeCluster": describe_cluster,
    "describeLogDirs": describe_log_dirs,
}


def end():
    for name in list(members):
        leave(name)


if __name__ == "__main__":
    serve(HANDLERS, code_of, end)
