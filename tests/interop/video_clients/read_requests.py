"""requests on /video/{topic}/mjpeg, as tests/interop/video_clients_test.ts uses it.

    read_requests.py URL [COUNT]     reads frames until it is ended, or has so many

Takes the answer to pieces as scripts for cameras do: at each boundary, by the length that the part names. Prints each frame as one line of
JSON: its id, and the number in its comment.
"""

import json
import re
import sys

import requests

boundary = b"--frame\r\n"
number = re.compile(rb"frame (\d+)")


def parts(response):
    held = b""
    for chunk in response.iter_content(chunk_size=None):
        held += chunk
        while True:
            start = held.find(boundary)
            end = held.find(b"\r\n\r\n", start)
            if start < 0 or end < 0:
                break
            lines = held[start + len(boundary) : end].decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            end += 4
            length = int(headers["Content-Length"])
            if len(held) < end + length:
                break
            yield headers, held[end : end + length]
            held = held[end + length :]


def main(url, count="0"):
    with requests.get(url, stream=True, timeout=120) as response:
        response.raise_for_status()
        for shown, (headers, jpeg) in enumerate(parts(response), 1):
            assert jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9"), headers
            found = int(number.search(jpeg)[1])
            print(json.dumps({"frame": headers["X-Frame-Id"], "number": found}), flush=True)
            if shown == int(count):
                return


main(*sys.argv[1:])
