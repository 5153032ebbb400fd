"""OpenCV's VideoCapture on /video/{topic}/mjpeg, as tests/interop/video_clients_test.ts uses it.

    read_opencv.py URL     shows frames until it is ended

Prints the number that each picture shows as one line of JSON: block k of 8 x 8 pixels is bit k, white when it is set.
"""

import json
import sys

import cv2

bits, block = 32, 8


def number_of(picture):
    columns = picture.shape[1] // block
    grey = picture[:, :, 0]
    middles = (grey[k // columns * block + block // 2, k % columns * block + block // 2] for k in range(bits))
    return sum(1 << k for k, level in enumerate(middles) if level > 160)


def main(url):
    capture = cv2.VideoCapture(url)
    while True:
        read, picture = capture.read()
        if not read:
            return
        print(json.dumps({"number": number_of(picture)}), flush=True)


main(*sys.argv[1:])
