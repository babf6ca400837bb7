"""A file for HDF5 to write to that never fails under it.

HDF5 cannot close a file whose disk has become full: what it could not write it keeps, and the
process ends in a segmentation fault (seen with HDF5 2.0).  Here the first failure is kept for us
to raise, and whatever HDF5 writes after it goes to memory: so it closes its file in peace.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lidepth.files._store import replacing


class SteadyFile(io.RawIOBase):
    """A new binary file that h5py takes in place of a name; ``check`` raises what went wrong."""

    def __init__(self, path: Path) -> None:
        self._disk = open(path, "w+b", buffering=0)  # noqa: SIM115  # closed in close
        self._place = 0
        self._kept: list[tuple[int, bytes]] = []  # writes since the failure, in order
        self._failure: OSError | KeyboardInterrupt | None = None

    def check(self) -> None:
        """Raise the failure of an earlier write; call it before much more is written."""
        if self._failure is not None:
            raise self._failure

    def write(self, data: Any) -> int:
        """Write all of ``data`` at the current place, or keep it."""
        content = memoryview(data).cast("B")
        self._store(content, self._place)
        self._place += len(content)
        return len(content)

    def _store(self, content: memoryview, place: int) -> None:
        if self._failure is None:
            try:
                self._disk.seek(place)
                done = 0
                while done < len(content):  # a nearly full disk takes a part
                    done += self._disk.write(content[done:])
                return
            except (OSError, KeyboardInterrupt) as error:
                self._failure = error
        self._kept.append((place, bytes(content)))

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` from the current place; what was never written reads as zeros."""
        view = memoryview(buffer).cast("B")
        self._disk.seek(self._place)
        done = 0
        while done < len(view) and (more := self._disk.readinto(view[done:])):
            done += more
        view[done:] = bytes(len(view) - done)
        for place, content in self._kept:
            first, last = (
                max(place, self._place),
                min(place + len(content), self._place + len(view)),
            )
            if first < last:
                view[first - self._place : last - self._place] = content[
                    first - place : last - place
                ]
        self._place += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place; returns it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place}.get(whence)
        self._place = offset + (self._end() if start is None else start)
        return self._place

    def tell(self) -> int:
        """Return the current place."""
        return self._place

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file."""
        wanted = self._place if size is None else size
        if self._failure is None:
            try:
                self._disk.truncate(wanted)
            except (OSError, KeyboardInterrupt) as error:
                self._failure = error
        return wanted

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def seekable(self) -> bool:
        """Tell that one can move in it."""
        return True

    def close(self) -> None:
        """Close the file; a failure stays known."""
        if not self.closed:
            self._disk.close()
        super().close()

    def _end(self) -> int:
        ends = [place + len(content) for place, content in self._kept]
        return max(self._disk.seek(0, io.SEEK_END), *ends, 0)


@contextmanager
def steady(path: Path) -> Iterator[SteadyFile]:
    """Give a file that takes the place of ``path`` if all goes well; open HDF5 on it, and close it.

    Raises StoreError when the disk refuses, at the end or by ``check``.
    """
    with replacing(path) as temporary, SteadyFile(temporary) as file:
        yield file
        file.check()
