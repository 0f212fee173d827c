"""Files and folders that appear whole or not at all, and what a killed process leaves of them, swept.

What is being written stands beside its target under a hidden name that tells which process writes it. A process that
comes later removes what belongs to one that is gone, and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from assay.data.errors import InputError

__all__ = ["building", "check_target", "locked", "put_folder", "recover", "replacing", "sweep", "to_disk"]

_ASIDE = re.compile(r"\..*~(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-(?P<born>\d*)-[0-9a-f]{8}\.tmp")
#: Ends the name of a folder that stands aside for the instant in which another takes its place.
_BEFORE = "~before"
#: After how long something that another machine left on a shared disk is taken for abandoned, seconds.
_ABANDONED = 7 * 86_400.0


def check_target(path: Path, suffixes: Sequence[str] = ()) -> None:
    """Raise `InputError` if a file at `path` could not be made, before work is spent on its content.

    Parameters
    ----------
    path : the file to be.
    suffixes : what its name may end in; anything if empty.

    """
    if suffixes and path.suffix not in suffixes:
        one = "that" if len(suffixes) == 1 else "one of them"
        raise InputError(f"{path}: is to be written as {' or '.join(suffixes)}; end the name in {one}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; create it first")
    if path.is_dir():
        raise InputError(f"{path}: is a directory; name a file in it")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; what is written there takes its place if all goes well, and is gone if not.

    The content is on the disk before it takes the name, so that neither a kill nor a power cut leaves half a file.

    Raises
    ------
    InputError
        If the folder does not exist, or nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder) / "note.txt"
    ...     with replacing(target) as temporary:
    ...         _ = temporary.write_text("whole")
    ...     target.read_text()
    'whole'

    """
    check_target(path)
    sweep(path.parent, path.name)
    temporary = _aside(path)
    try:
        yield temporary
        to_disk(temporary)
        os.replace(temporary, path)
        to_disk(path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def building(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target`, to be filled and given to `put_folder`; gone at the end if it was not."""
    aside = _aside(target)
    aside.mkdir()
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def put_folder(aside: Path, target: Path) -> None:
    """Give a finished folder its name, in the place of what has it; at every instant one of the two is there.

    The caller holds `locked` on the parent. Where the system cannot exchange two folders in one step, a kill in
    between leaves the old one under a name from which `recover` brings it back.
    """
    for item in aside.rglob("*"):
        to_disk(item)
    to_disk(aside)
    if not target.exists():
        os.replace(aside, target)
    elif not _exchange(aside, target):
        before = target.with_name(f".{target.name}{_BEFORE}")
        shutil.rmtree(before, ignore_errors=True)
        os.replace(target, before)
        os.replace(aside, target)
        shutil.rmtree(before, ignore_errors=True)
    to_disk(target.parent)


def recover(folder: Path) -> None:
    """Bring back what was put aside by a process that was killed before it had put something in its place."""
    with contextlib.suppress(OSError):
        for item in folder.glob(f".*{_BEFORE}"):
            with locked(folder):
                target = item.with_name(item.name[1 : -len(_BEFORE)])
                if target.exists():
                    shutil.rmtree(item, ignore_errors=True)
                elif item.exists():
                    os.replace(item, target)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process changes this folder, and keep others from it meanwhile."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system: each write is still whole
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network disks have none
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sweep(folder: Path, name: str = "") -> None:
    """Remove what processes that are gone left in `folder`; with a name, only what was to become that file."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(f".{_short(name)}") and _is_left(entry):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


def to_disk(path: Path) -> None:
    """Have the system write a file or a folder's list of names to the disk; a system that cannot is left alone."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _aside(path: Path) -> Path:
    """A hidden name beside `path` that tells which process writes it."""
    process = os.getpid()
    return path.with_name(f".{_short(path.name)}~{_machine()}-{process}-{_born(process)}-{secrets.token_hex(4)}.tmp")


def _short(name: str) -> str:
    """So much of a name that more can be put behind it: names end at 255 bytes."""
    return name.encode()[:150].decode(errors="ignore")


@functools.cache
def _machine() -> str:
    """Where a process number means one process: a host and, in a container, its own count of them."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


def _born(process: int) -> str:
    """When a process started, in the system's own count; "" where that cannot be known."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


def _is_left(entry: os.DirEntry[str]) -> bool:
    """Whether an entry was being written by a process that is gone."""
    match = _ASIDE.fullmatch(entry.name)
    if match is None:
        return False
    if match["machine"] != _machine():
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _ABANDONED
    if os.name == "nt":  # asking for a process there may end it
        return False
    try:
        os.kill(int(match["pid"]), 0)
    except ProcessLookupError:
        return True
    except OSError:  # another user's: alive
        return False
    return bool(match["born"]) and _born(int(match["pid"])) != match["born"]


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system or the disk cannot."""
    import ctypes

    try:
        library = ctypes.CDLL(None, use_errno=True)
        call = library.renameat2 if hasattr(library, "renameat2") else library.renamex_np
    except (OSError, TypeError, AttributeError):
        return False
    first, second = os.fsencode(one), os.fsencode(other)
    # Linux: relative to the working folder (-100), RENAME_EXCHANGE (2); macOS: RENAME_SWAP (2).
    linux = hasattr(library, "renameat2")
    answer: bool = (call(-100, first, -100, second, 2) if linux else call(first, second, 2)) == 0
    return answer
