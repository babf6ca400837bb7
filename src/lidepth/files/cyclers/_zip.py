"""Zip archives at the door: sizes and contents checked before anything is unpacked by others."""

from __future__ import annotations

import zipfile
from pathlib import Path

from lidepth.errors import OutOfRange, Truncated, WrongFormat
from lidepth.files._text import read_bytes
from lidepth.files.cyclers.format import MAX_BYTES

MOST_MEMBERS = 1000
ROOM = 8 * 1024**2
GROWTH = 20
"""A file may unpack to 20 times its size and 8 MB; real ones grow four- to fivefold."""


def check_zip(path: Path, *, needs: str) -> None:
    """Refuse an archive that is none, lacks ``needs``, unpacks to too much or declares entities.

    Sizes are those of the archive's directory, which zipfile never reads beyond.
    Raises WrongFormat, Truncated or OutOfRange.
    """
    size = len(read_bytes(path, limit_bytes=MAX_BYTES))
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS or sum(one.file_size for one in members) > (
                GROWTH * size + ROOM
            ):
                raise OutOfRange(
                    "the archive unpacks to far more than its size", where=str(path),
                    expected=f"at most {GROWTH} times the file and {ROOM // 1024**2} MB",
                    remedy="check where the file comes from",
                )  # fmt: skip
            names = [one.filename for one in members]
            if not any(name.startswith(needs) for name in names) or len(set(names)) < len(names):
                raise WrongFormat(
                    f"the archive has no {needs}, or one name twice", where=str(path),
                    expected=f"one {needs}", remedy="export the file again",
                )  # fmt: skip
            for one in members:
                odd = one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
                if odd or one.flag_bits & 1:
                    raise WrongFormat(
                        f"{one.filename[:60]!r} is encrypted or packed in an odd way",
                        where=str(path), expected="a plain zip archive",
                    )  # fmt: skip
                _check_member(archive, one, path)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise Truncated(
            f"the archive is damaged ({error})", where=str(path), expected="a whole zip archive",
            remedy="copy the file again",
        ) from error  # fmt: skip
    except Exception as error:  # the decompressor's own error may be replaced
        raise _as_ours(error, path) from error


def _check_member(archive: zipfile.ZipFile, one: zipfile.ZipInfo, path: Path) -> None:
    """Read a member through, for its checksum, in pieces; XML must not declare anything."""
    is_xml = one.filename.lower().endswith((".xml", ".rels", ".vml"))
    tail = b""
    with archive.open(one) as stream:
        while piece := stream.read(1 << 18):
            # UTF-16 hides the word behind zero bytes, so these are left out of the search.
            if (
                is_xml
                and b"<!" in (seen := (tail + piece).replace(b"\0", b""))
                and (b"<!DOCTYPE" in seen.upper() or b"<!ENTITY" in seen.upper())
            ):
                raise WrongFormat(
                    f"{one.filename[:60]!r} declares entities", where=str(path),
                    expected="plain XML", remedy="check where the file comes from",
                )  # fmt: skip
            tail = piece[-32:]


def _as_ours(error: Exception, path: Path) -> Exception:
    from lidepth.errors import LidepthError

    if isinstance(error, LidepthError):
        return error
    return Truncated(
        f"the archive is damaged ({type(error).__name__})", where=str(path),
        expected="a whole zip archive", remedy="copy the file again",
    )  # fmt: skip
