"""Driver of aiokafka.

Left out, as the library has none of it: the cooperative assignor, deleting groups and their offsets, incremental configs, log directories.
"""

import asyncio
import sys
import time

import aiokafka
import aiokafka.errors
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment as Assignment

from serve_driver import admin_features, serve_async, to_bytes, to_headers, to_text, to_value

COMMON = {"bootstrap_servers": sys.argv[1], "client_id": "aiokafka"}
WAIT_S = 60
ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}
members, transactions = {}, {}


def code_of(error):
    while error is not None:
        if isinstance(error, aiokafka.errors.BrokerResponseError):
            return error.errno
        error = error.__cause__
    return None


def check(code, what=None):
    if code:
        raise aiokafka.errors.for_code(code)(what)


async def hello():
    return {
        "client": "aiokafka",
        "version": aiokafka.__version__,
        "features": [
            *["produce", "consume", "listOffsets", "offsets", "headers", "nullHeaders", "timestamps", "tombstones"],
            *["nullKeys", "idempotent", "acks0", "transactions", "txnOffsets", "isolation", "largeMessages"],
            *["groups", "groupSeek", "static", "assignor:range", "assignor:roundrobin", "fetchLimit"],
            *["fetchWait", "txnTimeout", "validateOnly", "codec:gzip", "codec:snappy", "codec:lz4", "codec:zstd"],
            *admin_features(HANDLERS),
        ],
    }


async def send_all(producer, topic, records):
    sent = [
        await producer.send(
            topic,
            key=to_bytes(record.get("key")),
            value=to_bytes(record["value"]),
            partition=record.get("partition"),
            headers=[(name, to_bytes(value)) for name, value in record.get("headers", [])],
            timestamp_ms=record.get("timestamp"),
        )
        for record in records
    ]
    found = await asyncio.wait_for(asyncio.gather(*sent), WAIT_S)
    # With acks=0 nothing is known.
    return {"records": [{"partition": each.partition, "offset": each.offset} if each else None for each in found]}


async def produce(topic, records, codec=None, idempotent=None, acks=None, maxRequestBytes=None):
    config = {**COMMON, "linger_ms": 5}
    if codec not in (None, "none"):
        config["compression_type"] = codec
    if idempotent is not None:
        config["enable_idempotence"] = idempotent
    if acks is not None:
        config["acks"] = acks
    if maxRequestBytes is not None:
        config["max_request_size"] = maxRequestBytes
    producer = AIOKafkaProducer(**config)
    await producer.start()
    try:
        return await send_all(producer, topic, records)
    finally:
        await producer.stop()


def read_record(message):
    return {
        "partition": message.partition,
        "offset": message.offset,
        "key": to_text(message.key),
        "value": to_value(message.value),
        "headers": to_headers(message.headers),
        "timestamp": message.timestamp,
    }


async def consume(topic, positions, count, timeoutMs, isolation=None, autoReset="earliest", maxFetchBytes=None, maxWaitMs=100):
    config = {**COMMON, "enable_auto_commit": False, "auto_offset_reset": autoReset, "fetch_max_wait_ms": maxWaitMs}
    if isolation is not None:
        config["isolation_level"] = isolation
    if maxFetchBytes is not None:
        config["fetch_max_bytes"] = config["max_partition_fetch_bytes"] = maxFetchBytes
    consumer = AIOKafkaConsumer(**config)
    await consumer.start()
    records = []
    deadline = time.monotonic() + timeoutMs / 1000
    try:
        consumer.assign([TopicPartition(topic, int(partition)) for partition in positions])
        for partition, at in positions.items():
            if at == "earliest":
                await consumer.seek_to_beginning(TopicPartition(topic, int(partition)))
            else:
                consumer.seek(TopicPartition(topic, int(partition)), at)
        while len(records) < count and (left := deadline - time.monotonic()) > 0:
            found = await consumer.getmany(timeout_ms=int(min(left, 0.2) * 1000), max_records=count - len(records))
            for messages in found.values():
                records.extend(read_record(message) for message in messages)
    finally:
        await consumer.stop()
    return {"records": records}


async def list_offsets(topic, partition, at, isolation=None):
    consumer = AIOKafkaConsumer(**COMMON, **({"isolation_level": isolation} if isolation else {}))
    await consumer.start()
    try:
        where = TopicPartition(topic, partition)
        if at == "earliest":
            return {"offset": (await consumer.beginning_offsets([where]))[where]}
        if at == "latest":
            return {"offset": (await consumer.end_offsets([where]))[where]}
        found = (await consumer.offsets_for_times({where: at}))[where]
        return {"offset": found.offset, "timestamp": found.timestamp} if found else {"offset": -1}
    finally:
        await consumer.stop()


class Member:
    """A member of a consumer group: a task reads, and keeps what it got."""

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
        }
        if assignor is not None:
            config["partition_assignment_strategy"] = [ASSIGNORS[assignor]]
        if instanceId is not None:
            config["group_instance_id"] = instanceId
        self.consumer = AIOKafkaConsumer(*topics, **config)
        self.records, self.next = [], {}

    async def start(self):
        await self.consumer.start()
        self.task = asyncio.create_task(self.read())

    async def read(self):
        while True:
            for at, messages in (await self.consumer.getmany(timeout_ms=100)).items():
                self.records.extend(read_record(message) for message in messages)
                self.next[at] = messages[-1].offset + 1

    def state(self):
        assigned = [{"topic": at.topic, "partition": at.partition} for at in self.consumer.assignment()]
        return {"assigned": assigned, "records": self.records}

    async def commit(self):
        assigned = self.consumer.assignment()
        await self.consumer.commit({at: offset for at, offset in self.next.items() if at in assigned})

    async def leave(self):
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.consumer.stop()


async def join(member, **arguments):
    members[member] = Member(**arguments)
    await members[member].start()


async def state(member):
    return members[member].state()


async def commit(member):
    await members[member].commit()


async def seek(member, topic, partition, offset):
    members[member].consumer.seek(TopicPartition(topic, partition), offset)


async def leave(member):
    await members.pop(member).leave()


async def open_transactions(handle, transactionalId, timeoutMs=60_000):
    producer = AIOKafkaProducer(**COMMON, transactional_id=transactionalId, transaction_timeout_ms=timeoutMs)
    transactions[handle] = producer
    await asyncio.wait_for(producer.start(), WAIT_S)


async def send_offsets(handle, group, offsets):
    places = {TopicPartition(each["topic"], each["partition"]): each["offset"] for each in offsets}
    await transactions[handle].send_offsets_to_transaction(places, group)


async def use_admin(work):
    admin = AIOKafkaAdminClient(**COMMON)
    await admin.start()
    try:
        return await work(admin)
    finally:
        await admin.close()


async def create_topics(topics, validateOnly=False):
    wanted = [
        NewTopic(each["name"], each["partitions"], 1, topic_configs=each.get("configs", {})) for each in topics
    ]
    answer = await use_admin(lambda admin: admin.create_topics(wanted, validate_only=validateOnly))
    for _, code, *message in answer.topic_errors:
        check(code, message)


async def delete_topics(names):
    answer = await use_admin(lambda admin: admin.delete_topics(names))
    for _, code in answer.topic_error_codes:
        check(code)


async def list_topics():
    return {"names": await use_admin(lambda admin: admin.list_topics())}


async def describe_topic(name):
    (found,) = await use_admin(lambda admin: admin.describe_topics([name]))
    check(found["error_code"])
    return {"partitions": [{"partition": each["partition"]} for each in found["partitions"]]}


async def create_partitions(name, count):
    await use_admin(lambda admin: admin.create_partitions({name: NewPartitions(count)}))


async def delete_records(topic, offsets):
    wanted = {TopicPartition(topic, int(partition)): RecordsToDelete(offset) for partition, offset in offsets.items()}
    found = await use_admin(lambda admin: admin.delete_records(wanted))
    return {"low": {str(at.partition): low for at, low in found.items()}}


async def describe_configs(topic):
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    (answer,) = await use_admin(lambda admin: admin.describe_configs([resource]))
    ((code, message, _, _, entries),) = answer.resources
    check(code, message)
    return {"configs": {entry[0]: entry[1] for entry in entries}}


async def alter_configs(topic, set):
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=set)
    answers = await use_admin(lambda admin: admin.alter_configs([resource]))
    for code, message, *_ in answers[0].resources:
        check(code, message)


async def list_groups():
    return {"groups": [{"group": each[0]} for each in await use_admin(lambda admin: admin.list_consumer_groups())]}


async def describe_group(group):
    (answer,) = await use_admin(lambda admin: admin.describe_consumer_groups([group]))
    (found,) = answer.groups
    code, _, state, _, protocol, group_members = found[:6]
    check(code)
    told = []
    for member_id, client_id, *_, assignment in group_members:
        topics = Assignment.decode(assignment).assignment if assignment else []
        assigned = [{"topic": topic, "partition": partition} for topic, partitions in topics for partition in partitions]
        told.append({"memberId": member_id, "clientId": client_id, "assigned": assigned})
    return {"state": state, "protocol": protocol, "members": told}


async def group_offsets(group, topic, partitions):
    wanted = [TopicPartition(topic, partition) for partition in partitions]
    found = await use_admin(lambda admin: admin.list_consumer_group_offsets(group, partitions=wanted))
    return {
        "offsets": [
            {"topic": at.topic, "partition": at.partition, "offset": each.offset, "metadata": each.metadata}
            for at, each in found.items()
        ]
    }


async def describe_cluster():
    found = await use_admin(lambda admin: admin.describe_cluster())
    return {"clusterId": found["cluster_id"], "brokers": len(found["brokers"])}


HANDLERS = {
    "hello": hello,
    "produce": produce,
    "consume": consume,
    "listOffsets": list_offsets,
    "group.join": join,
    "group.state": state,
    "group.commit": commit,
    "group.seek": seek,
    "group.leave": leave,
    "txn.open": open_transactions,
    "txn.begin": lambda handle: transactions[handle].begin_transaction(),
    "txn.send": lambda handle, topic, records: send_all(transactions[handle], topic, records),
    "txn.sendOffsets": send_offsets,
    "txn.commit": lambda handle: asyncio.wait_for(transactions[handle].commit_transaction(), WAIT_S),
    "txn.abort": lambda handle: asyncio.wait_for(transactions[handle].abort_transaction(), WAIT_S),
    "txn.close": lambda handle: transactions.pop(handle).stop(),
    "createTopics": create_topics,
    "deleteTopics": delete_topics,
    "listTopics": list_topics,
    "describeTopic": describe_topic,
    "createPartitions": create_partitions,
    "deleteRecords": delete_records,
    "describeConfigs": describe_configs,
    "alterConfigs": alter_configs,
    "listGroups": list_groups,
    "describeGroup": describe_group,
    "groupOffsets": group_offsets,
    "describeCluster": describe_cluster,
}


async def end():
    for name in list(members):
        await leave(name)


asyncio.run(serve_async(HANDLERS, code_of, end))
