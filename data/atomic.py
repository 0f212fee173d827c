"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from assay.data.errors import InputError

__all__ = ["check_target", "replacing"]


def check_target(path: Path, suffixes: Sequence[str] = ()) -> None:
    """Raise `InputError` if a file at `path` could not be made, before work is spent on its content.

    Parameters
    ----------
    path : the file to be.
    suffixes : what its name may end in; anything if empty.

    """
    if suffixes and path.suffix not in suffixes:
        raise InputError(f"{path}: is to be written as {' or '.join(suffixes)}; end the name in one of them")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; create it first")
    if path.is_dir():
        raise InputError(f"{path}: is a directory; name a file in it")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; what is written there takes its place if all goes well, and is gone if not.

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
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
