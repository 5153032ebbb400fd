"""The peer of `deno task bench:measurements`: the same way by hand, with librdkafka, numpy and sqlite3. It counts in batches and is
at-least-once: rows and position are not one transaction, and nothing is told of records that are wrong.

Job as JSON in the first argument; prints seconds and CPU seconds, from its first line on, when all records are through."""

import json
import sqlite3
import sys
import time
import uuid

import numpy
from confluent_kafka import Consumer, Producer

job = json.loads(sys.argv[1])
edges = numpy.array(job["edges"])
counts = numpy.zeros(len(edges) - 1, dtype=int)
consumer = Consumer({
    "bootstrap.servers": job["bootstrap"],
    "group.id": f"peer-{uuid.uuid4()}",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
})
consumer.subscribe([job["topic"]])
producer = Producer({"bootstrap.servers": job["bootstrap"], "acks": "all"})
database = sqlite3.connect(job["file"])
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=NORMAL")
database.execute('CREATE TABLE m (date TEXT, value REAL, hist TEXT, partition INTEGER, "offset" INTEGER)')
database.execute('CREATE UNIQUE INDEX place ON m (partition, "offset")')
database.execute("CREATE INDEX course ON m (date, value)")
done = 0
while done < job["count"]:
    messages = [m for m in consumer.consume(10_000, 0.1) if m.error() is None]
    if not messages:
        continue
    rows, running = [], counts.copy()
    values = [(m, json.loads(m.value())) for m in messages]
    bins = numpy.searchsorted(edges, [v["measurement"] for _, v in values], side="right") - 1
    for (m, v), bin in zip(values, bins.tolist()):
        if 0 <= bin < len(running):
            running[bin] += 1
        hist = ",".join(map(str, running.tolist()))
        rows.append((v["measurement_time"], v["measurement"], hist, m.partition(), m.offset()))
    batch, _ = numpy.histogram([v["measurement"] for _, v in values], bins=edges)
    counts += batch
    with database:
        database.executemany("INSERT INTO m VALUES (?,?,?,?,?)", rows)
    value = json.dumps({"hist": counts.tolist(), "bin_edges": edges.tolist()})
    producer.produce(job["out"], value.encode())
    producer.flush()
    consumer.commit(asynchronous=False)
    done += len(messages)
print(json.dumps({"cpu": time.process_time(), "counted": int(counts.sum()), "rows": done}))
consumer.close()
