"""The folder of results: all of it or nothing, and nobody else's files touched."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lidepth.errors import StoreError, UsageError


@contextmanager
def result_folder(out: Path, *, verb: str, force: bool) -> Iterator[Path]:
    """Give an empty hidden folder beside ``out``; its files move to ``out`` if all goes well.

    A folder that the same verb wrote earlier is renewed: its old files, by a list kept in it, go;
    any others stay.  Raises UsageError when ``out`` holds anything else and ``force`` is not
    given, and StoreError when the disk refuses.  After any error, ``out`` is as it was.
    """
    target = Path(os.path.abspath(out))
    earlier = _check(target, out, verb, force)
    missing = [folder for folder in target.parents if not folder.exists()]
    scratch: Path | None = None
    done = False
    try:
        with _disk_trouble(out):
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
            scratch.chmod(0o777 & ~_umask())
        yield scratch
        with _disk_trouble(out):
            _move_in(scratch, target, verb, earlier)
        done = True
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        for folder in [] if done else missing:
            with suppress(OSError):
                folder.rmdir()


def is_ours(folder: Path, verb: str) -> bool:
    """Tell whether the verb wrote this folder."""
    return _list_of(folder, verb).is_file()


def _list_of(folder: Path, verb: str) -> Path:
    return folder / f".lidepth-{verb}.json"


def _check(target: Path, out: Path, verb: str, force: bool) -> list[str]:
    """Return the files that an earlier run of the verb wrote; refuse a folder in other use."""
    with _disk_trouble(out):
        if not target.exists():
            return []
        if not target.is_dir():
            raise UsageError(
                "this is a file, not a folder", where=f"--out {out}",
                expected="a folder, new or empty", remedy="choose another name",
            )  # fmt: skip
        if is_ours(target, verb):
            return _earlier_files(target, verb)
        if any(target.iterdir()) and not force:
            raise UsageError(
                f"the folder is not empty, and not from an earlier 'lidepth {verb}'",
                where=f"--out {out}", expected="a folder that is new or empty",
                remedy="choose another folder, or add --force to write among its files",
            )  # fmt: skip
        return []


def _earlier_files(folder: Path, verb: str) -> list[str]:
    try:
        names = json.loads(_list_of(folder, verb).read_text(encoding="utf-8"))["files"]
    except (ValueError, KeyError, TypeError):
        return []  # a damaged list: replace what has the same name, remove nothing
    if not isinstance(names, list):
        return []
    return [n for n in names if isinstance(n, str) and ".." not in Path(n).parts and n[:1] != "/"]


def _move_in(scratch: Path, target: Path, verb: str, earlier: list[str]) -> None:
    names = sorted(f.relative_to(scratch).as_posix() for f in scratch.rglob("*") if f.is_file())
    content = json.dumps({"verb": verb, "files": names}, indent=1) + "\n"
    written = _list_of(scratch, verb)
    written.write_text(content, encoding="utf-8")
    if not target.exists():
        os.rename(scratch, target)
        return
    for name in [*names, written.name]:
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(scratch / name, place)
    for name in sorted(set(earlier) - set(names)):
        (target / name).unlink(missing_ok=True)
        with suppress(OSError):  # the folder holds something else
            (target / name).parent.rmdir()


@contextmanager
def _disk_trouble(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write ({error.strerror or error})", where=f"--out {out}",
            expected="a folder that can be written to, with room left",
            remedy="free some space, or choose another folder with --out",
        ) from error  # fmt: skip


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
