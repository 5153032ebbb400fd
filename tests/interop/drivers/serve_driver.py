"""The loop of a driver written in Python: questions from standard input, answers to standard output.

Left out: the questions, which are in ../driver_protocol.ts.
"""

import asyncio
import json
import queue
import sys
import threading
import traceback

_said = threading.Lock()


def say(answer):
    with _said:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _refused(number, error, code_of):
    traceback.print_exception(error)
    say({"id": number, "error": {"code": code_of(error), "message": f"{type(error).__name__}: {error}"}})


def _questions():
    for line in sys.stdin:
        question = json.loads(line)
        yield question.pop("id"), question.pop("op"), question


def serve(handlers, code_of, end):
    """Answers each question in a thread of its own until the input ends, then calls `end`."""

    def answer(number, op, arguments):
        try:
            say({"id": number, "ok": handlers[op](**arguments) or {}})
        except Exception as error:
            _refused(number, error, code_of)

    for question in _questions():
        threading.Thread(target=answer, args=question, daemon=True).start()
    end()


async def serve_async(handlers, code_of, end):
    """As `serve`, for handlers that are coroutines."""
    loop = asyncio.get_running_loop()
    tasks = set()

    async def answer(number, op, arguments):
        try:
            say({"id": number, "ok": await handlers[op](**arguments) or {}})
        except Exception as error:
            _refused(number, error, code_of)

    questions = _questions()
    while (question := await loop.run_in_executor(None, next, questions, None)) is not None:
        task = asyncio.create_task(answer(*question))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await end()


class PollingMember:
    """A member of a consumer group: a thread polls, keeps what it got, and does what it is asked in between.

    `read` polls once: it gives what is assigned now, and pairs of place and record. Places are (topic, partition).
    """

    wait_s = 60

    def __init__(self, consumer):
        self.consumer = consumer
        self.records, self.assigned, self.next = [], [], {}
        self.lock, self.asked, self.ending = threading.Lock(), queue.Queue(), False
        self.thread = threading.Thread(target=self._poll)
        self.thread.start()

    def _poll(self):
        while not self.ending:
            assigned, found = self.read()
            with self.lock:
                self.assigned = assigned
                for place, record in found:
                    self.records.append(record)
                    self.next[place] = record["offset"] + 1
            while not self.asked.empty():
                work, done = self.asked.get()
                try:
                    done.put(work())
                except Exception as error:
                    done.put(error)
        self.consumer.close()

    def ask(self, work):
        """Has the thread that polls do it: a consumer belongs to one thread."""
        done = queue.Queue()
        self.asked.put((work, done))
        answer = done.get(timeout=self.wait_s)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def state(self):
        with self.lock:
            assigned = [{"topic": topic, "partition": partition} for topic, partition in self.assigned]
            return {"assigned": assigned, "records": list(self.records)}

    def to_commit(self):
        """What it has read of what it has: place and the offset after it."""
        return [(place, offset) for place, offset in self.next.items() if place in self.assigned]

    def leave(self):
        self.ending = True
        self.thread.join()


def to_bytes(value):
    """Bytes of a value, key or header to write."""
    if value is None:
        return None
    return b"x" * value["bytes"] if isinstance(value, dict) else value.encode()


def to_value(value):
    """A value that was read, as it is told."""
    if value is None:
        return None
    return {"bytes": len(value)} if len(value) > 1000 else value.decode()


def to_text(value):
    """Text of a key or of a header's value."""
    return None if value is None else value.decode()


def to_headers(headers):
    return [[name, to_text(value)] for name, value in headers or []]


def admin_features(handlers):
    """The feature names of the administrative operations among `handlers`."""
    return [f"admin:{op}" for op in handlers if op.isalpha() and not op.islower() and op != "listOffsets"]
