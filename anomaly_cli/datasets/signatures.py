"""What kind of file a file is by its first bytes, where its name says another."""

from __future__ import annotations

from pathlib import Path

from anomaly_cli.core.errors import DataError

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "Zstandard"}
"""First bytes of compressed files."""
KINDS = {
    b"\x89HDF\r\n\x1a\n": ("HDF5", ".h5"),
    b"PAR1": ("Parquet", ".parquet"),
    b"PK\x03\x04": ("npz, or another kind of zip", ".npz"),
    b"\x93NUMPY": ("npy", ".npy"),
    b"root": ("ROOT", ".root"),
}
"""First bytes of tables, what they are, and how their names end."""
WIDE_TEXT = (b"\xff\xfe", b"\xfe\xff")
"""First bytes of text in UTF-16."""
LOOKED_AT = 512


def refuse_other_kind(path: Path, suffix: str) -> None:
    """Refuse a file that is plainly of another kind than its name says; nothing is said of what is not known.

    Args:
        path: the file.
        suffix: how names of files end that are read as this one.

    Raises:
        DataError: saying what it is, and what to do.
    """
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    for sign, name in COMPRESSED.items():
        if start.startswith(sign):
            raise DataError(f"{path}: is compressed with {name}; unpack it, and name the file that comes out")
    for sign, (name, ending) in KINDS.items():
        if start.startswith(sign) and suffix != ending and {suffix, ending} != {".npz", ".npy"}:
            raise DataError(f"{path}: is a file of the kind {name}; give it a name that ends in {ending}")
    if start.startswith(WIDE_TEXT):
        raise DataError(f"{path}: is text in UTF-16; save it as UTF-8")
    if suffix == ".h5" and _is_text(start):
        raise DataError(
            f"{path}: is text, not HDF5; where it holds a table with commas between the columns, give it a name that"
            " ends in .csv"
        )


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode(errors="strict" if len(start) < LOOKED_AT else "ignore")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(sign.isprintable() or sign in "\r\n\t\ufeff" for sign in text)
