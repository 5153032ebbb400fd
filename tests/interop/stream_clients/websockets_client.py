"""websockets as tests/interop/stream_clients_test.ts uses it.

    websockets_client.py URL TYPE COUNT     reads until COUNT messages of that type have come; after a cut it goes on from the last cursor

Prints each message as one line of JSON: event, id, data.
"""

import json
import sys
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def main(url, name, count):
    left, cursor = int(count), "earliest"
    while left > 0:
        try:
            with connect(f"{url}?cursor={quote(cursor)}", subprotocols=["tailrace.v1.json"]) as socket:
                for text in socket:
                    for line in text.split("\n"):
                        message = json.loads(line)
                        cursor = message.get("cursor", cursor)
                        print(json.dumps({"event": message["type"], "id": cursor, "data": line}), flush=True)
                        left -= message["type"] == name
                    if left <= 0:
                        return
        except ConnectionClosed:
            pass


main(*sys.argv[1:])
