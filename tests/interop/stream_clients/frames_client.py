"""websockets on tailrace.v1.frames, as tests/interop/frames_clients_test.ts uses it.

    frames_client.py URL COUNT     reads until COUNT frames have come; after a cut it goes on from the last one

Knows of the protocol what its description says: the header, and that a cursor is the place in each partition, moved on by each frame.
Prints each ready and each frame as one line of JSON.
"""

import hashlib
import json
import struct
import sys
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.sync.client import connect

header = struct.Struct(">2sBBIqqII")


class Place:
    def __init__(self, cursor):
        self.head, _, parts = cursor.rpartition(".")
        self.offsets = dict(part.split(":") for part in parts.split(","))

    def move(self, partition, offset):
        self.offsets[str(partition)] = str(offset)

    def __str__(self):
        ordered = sorted(self.offsets.items(), key=lambda part: int(part[0]))
        return self.head + "." + ",".join(":".join(part) for part in ordered)


def read_frame(message):
    magic, version, _, partition, offset, captured_at, stream, length = header.unpack_from(message)
    jpeg = message[header.size :]
    assert (magic, version, stream, length) == (b"TR", 1, 0, len(jpeg)), message[: header.size]
    return partition, offset, captured_at, hashlib.sha256(jpeg).hexdigest()


def say(**what):
    print(json.dumps(what), flush=True)


def main(url, count):
    left, cursor = int(count), "earliest"
    while left > 0:
        try:
            with connect(f"{url}?cursor={quote(str(cursor))}", subprotocols=["tailrace.v1.frames"]) as socket:
                for message in socket:
                    if isinstance(message, bytes):
                        partition, offset, captured_at, digest = read_frame(message)
                        cursor.move(partition, offset)
                        say(event="frame", frame=f"{partition}:{offset}", capturedAt=captured_at, digest=digest)
                        left -= 1
                        if left == 0:
                            return
                        continue
                    for line in message.split("\n"):
                        text = json.loads(line)
                        if "cursor" in text:
                            cursor = Place(text["cursor"])
                        if text["type"] == "ready":
                            say(event="ready", resume=text["resume"])
        except (ConnectionClosed, EOFError, InvalidMessage, OSError):
            pass


main(*sys.argv[1:])
