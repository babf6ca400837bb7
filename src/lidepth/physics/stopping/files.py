"""Finding and opening the files of tabulated sources."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lidepth.errors import BadInput, WrongFormat

_LARGEST_BYTES = 20_000_000


def listed_files(text: str, suffixes: Iterable[str]) -> list[Path]:
    """Return the files of ``PATH`` or ``PATH,PATH``; a folder stands for its files by suffix."""
    whole = Path(text)
    parts = [whole] if whole.exists() else [Path(part.strip()) for part in text.split(",")]
    found: list[Path] = []
    for part in parts:
        if part.is_dir():
            inside = sorted(p for p in part.iterdir() if p.suffix.lower() in tuple(suffixes))
            if not inside:
                raise BadInput(
                    "the folder holds no stopping table",
                    where=str(part),
                    expected="files ending in " + ", ".join(s or "no suffix" for s in suffixes),
                )
            found += inside
        else:
            found.append(part)
    return found


def read_text(path: Path) -> str:
    """Return the text of a small file; raises BadInput or WrongFormat with its name."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise WrongFormat(
                "too large to be a stopping table",
                where=str(path),
                expected=f"at most {_LARGEST_BYTES // 1_000_000} MB of text",
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"cannot read this file: {reason}", where=str(path)) from error
    if b"\0" in data:
        raise WrongFormat("this is not text", where=str(path), expected="a stopping table")
    return data.decode("utf-8-sig") if _is_utf8(data) else data.decode("latin-1")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return True
