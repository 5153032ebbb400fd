"""python-socketio with asyncio, as tests/interop/socketio_clients_test.ts uses it.

    async_likes_client.py URL TRANSPORTS AUTH ID…   as likes_client.py; asks for acknowledgements instead, and prints them
"""

import asyncio
import json
import sys

import socketio


def tell(event, data=None):
    print(json.dumps({"event": event, "data": data}) + "\n", end="", flush=True)


def teller(event):
    """A handler that takes the data and nothing else."""
    return lambda data: tell(event, data)


async def main(url, transports, auth, *videos):
    client = socketio.AsyncClient()
    for event in ("live_aggregations_1", "live_aggregations_5", "live_aggregations_10"):
        client.on(event, teller(event))
    await client.connect(
        url,
        transports=transports.split(",") if transports else None,
        auth=json.loads(auth) if auth else None,
    )
    tell("connect", client.transport())
    tell("register_room", await client.call("register_room", {"rooms": videos}))
    for minutes in (1, 5, 10):
        event = f"consume_{minutes}_min_aggregations"
        tell(event, await client.call(event, {}))
    await client.wait()


asyncio.run(main(*sys.argv[1:]))
