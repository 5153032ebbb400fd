"""requests-sse as tests/interop/stream_clients_test.ts uses it.

    requests_sse_client.py URL EVENT COUNT     reads until COUNT events named EVENT have come, and reconnects by itself

Prints each event as one line of JSON: event, id, data.
"""

import json
import sys
from datetime import timedelta

from requests_sse import EventSource


def main(url, name, count):
    left = int(count)
    with EventSource(url, timeout=120, reconnection_time=timedelta(milliseconds=200)) as source:
        for event in source:
            print(json.dumps({"event": event.type, "id": event.last_event_id, "data": event.data}), flush=True)
            left -= event.type == name
            if left == 0:
                return


main(*sys.argv[1:])
