"""Files of `torch.save`, read without running anything in them and without more memory than they have bytes.

Why more than ``weights_only=True``: that runs no code, but unpacks what was packed (a zip of ten megabytes may
hold ten gigabytes of zeros), and gives tensors that repeat one number a billion times.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nowcast.core.errors import CheckpointError
from nowcast.core.plain_values import check_plain

_HEAD = b"PK\x03\x04"
_OTHER = (torch.dtype, torch.device, torch.layout, bytes, set, frozenset, complex)
_BROKEN = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AssertionError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)
"""What Python's and torch's readers raise for files that are damaged."""


def load(path: Path) -> Any:
    """Return what a file of `torch.save` holds: tensors on the CPU, numbers, texts, lists and dicts.

    Raises:
        CheckpointError: unreadable, damaged, packed, or with objects in it; nothing in it was run.
    """
    try:
        if starts_as_zip(path):
            _check_stored(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
        check_plain(found, leaf=_is_leaf)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: got objects other than tensors and plain values, or damage, expected none; refused, and "
            "nothing in it was run; take weights only from whom you trust, or ask for the tensors alone"
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"{path}: no such checkpoint, or none that can be read ({error.strerror or error}); check the path"
        ) from error
    except _BROKEN as error:
        line = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path}: truncated or damaged checkpoint ({line}); copy it again") from error
    return found


def starts_as_zip(path: Path) -> bool:
    """Whether torch will take a file for a zip: it looks at the first bytes alone.

    Raises:
        OSError: as the system says.
    """
    with Path(path).open("rb") as handle:
        return handle.read(len(_HEAD)) == _HEAD


def _check_stored(path: Path) -> None:
    """Refuse a zip whose entries are packed or, together, larger than the file: torch writes none."""
    with zipfile.ZipFile(path) as packed:
        entries = packed.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("its tensors are packed")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise ValueError("it claims more bytes than it has")


def _is_leaf(value: Any) -> bool:
    if not isinstance(value, Tensor):
        return isinstance(value, _OTHER)
    dense = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
    if not dense or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise ValueError("a tensor in it has more values than it stores")
    return True
