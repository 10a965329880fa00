"""Bodies of HTTP responses, decoded piece by piece and never beyond a limit of size.

A kilobyte that was compressed twice can stand for gigabytes, so no decoder may be left to give
out whatever it holds: each is asked for at most what may still come.

Touches zlib; takes the bytes that were received; gives the decoded ones; runs on the driver.
"""

import zlib
from collections.abc import Iterable, Iterator

ACCEPTED = "gzip, deflate"
"""What a server is told that it may send."""

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's number for the format of each encoding."""

_PIECE = 65536


class EncodingError(ValueError):
    """A body is encoded in a way that is not read, or is damaged."""


def decoded(parts: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the decoded body in pieces of at most 64 KiB, so that a caller can count them.

    Args:
        parts: The body as it was received.
        encoding: Of the header `Content-Encoding`.

    Raises:
        EncodingError: There is more than one encoding, an unknown one, or the body is damaged.
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
                if decoder.eof:  # another member follows, as in files of gzip put together
                    decoder, begun = zlib.decompressobj(window), False
                begun = True
                piece = decoder.decompress(left, _PIECE)
                left = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
                if piece:
                    yield piece
        while begun and not decoder.eof:  # the decoder may hold more than it gave
            piece = decoder.decompress(decoder.unconsumed_tail, _PIECE)
            if not piece:
                raise EncodingError("its compressed body ends too early")
            yield piece
    except zlib.error as error:
        raise EncodingError(f"its compressed body is damaged: {error}") from error
