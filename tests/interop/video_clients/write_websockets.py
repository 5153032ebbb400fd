"""websockets on /video/{topic}/publish, as tests/interop/video_clients_test.ts uses it.

    write_websockets.py URL FOLDER     sends each JPEG of a folder, in the order of their names, and something between that is none

Waits for each answer before it sends the next one, and prints it.
"""

import sys
from pathlib import Path

from websockets.sync.client import connect


def main(url, folder):
    with connect(url) as socket:
        print(socket.recv(120), flush=True)
        for file in sorted(Path(folder).glob("*.jpg")):
            socket.send(file.read_bytes())
            print(socket.recv(120), flush=True)
        socket.send(b"no picture")
        print(socket.recv(120), flush=True)


main(*sys.argv[1:])
