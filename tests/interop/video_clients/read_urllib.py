"""Python's own urllib on /video/{topic}/mjpeg, as tests/interop/video_clients_test.ts uses it.

    read_urllib.py URL COOKIES     reads frames until it is ended

It is nobody by name: it keeps the cookies that it is given in the file COOKIES, as a browser that is closed and opened again. Reads the
parts line by line. Prints each frame as one line of JSON: its id, and the number in its comment.
"""

import http.client
import json
import os
import re
import sys
import urllib.request
from http.cookiejar import LWPCookieJar


def main(url, file):
    cookies = LWPCookieJar(file)
    if os.path.exists(file):
        cookies.load()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    with opener.open(url, timeout=120) as response:
        cookies.save()
        while response.readline() == b"--frame\r\n":
            headers = http.client.parse_headers(response)
            jpeg = response.read(int(headers["Content-Length"]))
            assert response.readline() == b"\r\n"
            number = int(re.search(rb"frame (\d+)", jpeg)[1])
            print(json.dumps({"frame": headers["X-Frame-Id"], "number": number}), flush=True)


main(*sys.argv[1:])
