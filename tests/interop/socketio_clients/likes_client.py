"""python-socketio as tests/interop/socketio_clients_test.ts uses it: a program that watches the likes of some videos.

    likes_client.py URL TRANSPORTS AUTH ID…     TRANSPORTS: polling, websocket, or both with a comma; default: any
                                                AUTH: what it connects with, as JSON; default: nothing

Registers the ids at every connection, asks for windows of one, five and ten minutes, and prints what happens as lines of JSON. It
runs until it is killed.
"""

import json
import sys

import socketio

client = socketio.Client(reconnection_delay=0.05, reconnection_delay_max=0.5)
videos = sys.argv[4:]


def tell(event, data=None):
    print(json.dumps({"event": event, "data": data}) + "\n", end="", flush=True)


@client.event
def connect():
    tell("connect", client.transport())
    client.emit("register_room", {"rooms": videos})
    for minutes in (1, 5, 10):
        client.emit(f"consume_{minutes}_min_aggregations", {})
    # Nothing more is registered; the answer says that what came before is done.
    client.emit("register_room", {"rooms": []}, callback=lambda answer: tell("ready", answer))


@client.event
def connect_error(error):
    tell("connect_error", str(error))


@client.event
def disconnect(reason):
    tell("disconnect", reason)


@client.event
def live_aggregations_1(data):
    tell("live_aggregations_1", data)


@client.event
def live_aggregations_5(data):
    tell("live_aggregations_5", data)


@client.event
def live_aggregations_10(data):
    tell("live_aggregations_10", data)


def main(url, transports, auth):
    client.connect(
        url,
        transports=transports.split(",") if transports else None,
        auth=json.loads(auth) if auth else None,
        wait=False,
        retry=True,
    )
    client.wait()


main(*sys.argv[1:4])
