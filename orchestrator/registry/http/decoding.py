"""Decoding of HTTP bodies, piece by piece and within a size limit.

A kilobyte that was compressed twice can expand to gigabytes. So each decoder is asked for at most
the number of bytes that the limit still allows.

Touches zlib; takes the received bytes; gives the decoded ones; runs on the driver.
"""

import zlib
from collections.abc import Iterable, Iterator

ACCEPTED = "gzip, deflate"
"""The encodings a server may use."""

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's number for the format of each encoding."""

_PIECE = 65536


class EncodingError(ValueError):
    """A body has an unsupported encoding or is damaged."""


def decoded(parts: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the decoded body in pieces of at most 64 KiB, so that the caller can count the bytes.

    Args:
        parts: The received body.
        encoding: The value of the header `Content-Encoding`.

    Raises:
        EncodingError: The header names several encodings or an unknown one, or the body is damaged.
    """
    names = [name for name in (part.strip().lower() for part in encoding.split(",")) if name]
    names = [name for name in names if name != "identity"]
    if not names:
        yield from parts
    elif len(names) > 1 or names[0] not in _WINDOWS:
        raise EncodingError(f"its Content-Encoding is {encoding!r}, and only one of {ACCEPTED} is")
    else:
        yield from _inflated(parts, _WINDOWS[names[0]])


def _inflated(parts: Iterable[bytes], window: int) -> Iterator[bytes]:
    decoder = zlib.decompressobj(window)
    begun = False
    try:
        for part in parts:
            left = part
            while left:
                if decoder.eof:  # another member follows, as in concatenated gzip files
                    decoder, begun = zlib.decompressobj(window), False
                begun = True
                piece = decoder.decompress(left, _PIECE)
                left = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
                if piece:
                    yield piece
        while begun and not decoder.eof:  # the decoder may still hold output
            piece = decoder.decompress(decoder.unconsumed_tail, _PIECE)
            if not piece:
                raise EncodingError("its compressed body ends too early")
            yield piece
    except zlib.error as error:
        raise EncodingError(f"its compressed body is damaged: {error}") from error
