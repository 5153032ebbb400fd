"""Runs a program in a terminal of its own: terminal.py COLUMNS LINES PROGRAM ARG…

What the program writes goes to stdout, as it is. A line `size COLUMNS LINES` on stdin pulls at the window, `keys HEX` types. The exit
code is the program's, 128 and the number of the signal that killed it.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios


def resize(terminal, columns, lines):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def main():
    columns, lines, *command = sys.argv[1:]
    pid, terminal = pty.fork()
    if pid == 0:
        resize(0, int(columns), int(lines))
        os.execvp(command[0], command)
    asked, sources = b"", [terminal, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if terminal in ready:
            try:
                written = os.read(terminal, 65536)
            except OSError:  # the program has ended
                written = b""
            if not written:
                break
            sys.stdout.buffer.write(written)
            sys.stdout.buffer.flush()
        if 0 in ready:
            piece = os.read(0, 65536)
            if not piece:
                sources.remove(0)
            *whole, asked = (asked + piece).split(b"\n")
            for line in whole:
                word, *rest = line.decode().split(" ")
                if word == "size":
                    resize(terminal, int(rest[0]), int(rest[1]))
                elif word == "keys":
                    os.write(terminal, bytes.fromhex(rest[0]))
    _, status = os.waitpid(pid, 0)
    sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


if __name__ == "__main__":
    main()
