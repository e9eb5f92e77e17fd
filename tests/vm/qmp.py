# SPDX-License-Identifier: GPL-2.0-or-later
"""A small QMP client: one command at a time over a unix socket."""

import json
import socket
import time


class QmpError(Exception):
    pass


class Qmp:
    def __init__(self, path, timeout=20):
        end = time.monotonic() + timeout
        while True:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self.sock.connect(str(path))
                break
            except OSError as e:
                self.sock.close()
                if time.monotonic() > end:
                    raise QmpError(f"{path}: {e}") from e
                time.sleep(0.05)
        self.sock.settimeout(timeout)
        self.buf = b""
        self._read()
        self.command("qmp_capabilities")

    def _read(self):
        while b"\n" not in self.buf:
            try:
                data = self.sock.recv(65536)
            except OSError as e:
                raise QmpError(f"reading: {e}") from e
            if not data:
                raise QmpError("QEMU closed the socket")
            self.buf += data
        line, self.buf = self.buf.split(b"\n", 1)
        return json.loads(line)

    def command(self, name, timeout=60, **arguments):
        msg = {"execute": name}
        if arguments:
            msg["arguments"] = arguments
        self.sock.settimeout(timeout)
        try:
            self.sock.sendall(json.dumps(msg).encode() + b"\n")
        except OSError as e:
            raise QmpError(f"{name}: {e}") from e
        while True:
            answer = self._read()
            if "error" in answer:
                raise QmpError(f"{name}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]
            # Anything else is an event.

    def close(self):
        self.sock.close()
