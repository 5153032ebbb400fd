"""requests posts a body without a length to /video/{topic}/frames, as tests/interop/video_clients_test.ts uses it.

    write_requests.py URL FOLDER     posts the JPEGs of a folder, in the order of their names, as parts of one multipart body

Prints the answer.
"""

import sys
from pathlib import Path

import requests


def body(folder):
    for file in sorted(Path(folder).glob("*.jpg")):
        yield b"--picture\r\nContent-Type: image/jpeg\r\n\r\n" + file.read_bytes() + b"\r\n"
    yield b"--picture--\r\n"


def main(url, folder):
    headers = {"Content-Type": "multipart/x-mixed-replace; boundary=picture"}
    print(requests.post(url, data=body(folder), headers=headers, timeout=120).text)


main(*sys.argv[1:])
