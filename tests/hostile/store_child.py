"""A process that imports made runs into run files in children that are killed or run out of disk.

    python store_child.py < requests (one JSON object per line) > answers

Everything is loaded once; each request is served by a fork, so that 200 deaths take seconds.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import _sqlite3

from made_runs import made_experiment, made_run

from lidepth.errors import LidepthError
from lidepth.files._provenance import versions
from lidepth.files.run_file import RunFile, store

CALLS = {
    "open": (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    "ftruncate": (ctypes.c_int, ctypes.c_int, ctypes.c_int64),
    "write": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t),
    "pwrite": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64),
    "pwrite64": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64),
    "unlink": (ctypes.c_int, ctypes.c_char_p),
}
"""The system calls by which SQLite changes files, with their result and arguments."""


class Vfs(ctypes.Structure):
    """sqlite3_vfs, as sqlite3.h declares it."""

    _fields_ = [
        ("iVersion", ctypes.c_int), ("szOsFile", ctypes.c_int), ("mxPathname", ctypes.c_int),
        ("pNext", ctypes.c_void_p), ("zName", ctypes.c_char_p), ("pAppData", ctypes.c_void_p),
        *((f"x{i}", ctypes.c_void_p) for i in range(13)),
        ("xSetSystemCall", ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)),
        ("xGetSystemCall", ctypes.CFUNCTYPE(
            ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)),
    ]  # fmt: skip


class Faults:
    """Counts the calls that change files, and makes one of them the last or a failing one."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.kill_at = request.get("kill_at", 0)
        self.torn = request.get("torn", False)
        self.full_at = request.get("full_at", 0)
        self.count = 0
        self.armed = False
        self._kept: list[Any] = []

    def install(self) -> None:
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
        vfs = library.sqlite3_vfs_find(None)
        for name, (result, *arguments) in CALLS.items():
            kind = ctypes.CFUNCTYPE(result, *arguments, use_errno=True)
            address = vfs.contents.xGetSystemCall(vfs, name.encode())
            if not address:
                continue
            replaced = kind(self._around(name, kind(address)))
            self._kept.append(replaced)
            pointer = ctypes.cast(replaced, ctypes.c_void_p)
            vfs.contents.xSetSystemCall(vfs, name.encode(), pointer)

    def _around(self, name: str, real: Any) -> Any:
        def call(*arguments: Any) -> int:
            if self.armed:
                self.count += 1
                if self.count == self.kill_at:
                    if self.torn and "write" in name:
                        real(arguments[0], arguments[1], arguments[2] // 2, *arguments[3:])
                    os.kill(os.getpid(), signal.SIGKILL)
                if self.full_at and self.count >= self.full_at and "write" in name:
                    ctypes.set_errno(errno.ENOSPC)
                    return -1
            return int(real(*arguments))

        return call


def child(request: dict[str, Any]) -> dict[str, Any]:
    """Import, and note in the file ``acks`` how many spectra are acknowledged."""
    store.COMMIT_SPECTRA = request.get("commit", 4)
    path = Path(request["path"])
    acks = os.open(request["acks"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    faults = Faults(request)
    if "kill_at" in request or "full_at" in request:
        faults.install()
    if "limit" in request:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["limit"], request["limit"]))

    def acknowledge(done: int, _: int) -> None:
        if "limit" not in request:
            os.write(acks, f"{done}\n".encode())
        answer["acknowledged"] = done
        faults.armed = done >= request.get("after", 0)

    answer: dict[str, Any] = {"acknowledged": 0}
    try:
        described = made_experiment(path.parent)
        there = path.exists()
        faults.armed = not request.get("after", 0)
        opened = RunFile.open(path, write=True) if there else RunFile.create(path, described)
        with opened as run_file:
            run_file.describe(described)
            run_file.add(made_run(request["spectra"]), progress=acknowledge)
            faults.armed = False
        answer["calls"] = faults.count
    except LidepthError as error:
        answer["error"] = type(error).__name__
        answer["words"] = str(error)
    return answer


def serve(request: dict[str, Any]) -> dict[str, Any]:
    """Fork a child for a request; kill it after ``delay_s`` where that is given."""
    readable, writable = os.pipe()
    number = os.fork()
    if number == 0:
        os.close(readable)
        os.write(writable, json.dumps(child(request)).encode())
        os._exit(0)
    os.close(writable)
    if "delay_s" in request:
        time.sleep(request["delay_s"])
        os.kill(number, signal.SIGKILL)
    answer = b"".join(iter(lambda: os.read(readable, 65536), b""))
    os.close(readable)
    _, status = os.waitpid(number, 0)
    return {**json.loads(answer or b"{}"), "signal": os.WTERMSIG(status)}


if __name__ == "__main__":
    versions()  # loads what every child needs
    made_experiment(Path())
    for line in sys.stdin:
        sys.stdout.write(json.dumps(serve(json.loads(line))) + "\n")
        sys.stdout.flush()
