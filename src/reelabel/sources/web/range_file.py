"""A remote file that can be read and sought like a local one, by requests for parts of it."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from reelabel.errors import UsageError
from reelabel.sources.web.outcomes import FetchFailure

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ReadRange = Callable[[int, int], bytes]
"""Called with the first byte and the first byte behind; returns these bytes."""

_MIN_BLOCK_BYTES, _MAX_RUN_BYTES = 4096, 1 << 20
_CACHE_BYTES = 16 << 20


class FetchWhole(Exception):  # noqa: N818 -- a condition for the caller, not an error of the program
    """Raised by a read that would need too many requests: the whole file is cheaper to fetch.

    Typical of fragmented MP4 without an index, in which every fragment has a header of its own.
    """


class RangeFile(io.RawIOBase):
    """A read-only, seekable file over requests for ranges of bytes.

    Blocks are kept, the least recently used ones are dropped. A read that continues the request
    before it asks for twice as much, up to 1 MiB, so that an index costs little and a long read
    few requests. Memory stays below about 16 MiB whatever the file's size.

    Args:
        read_range: returns the bytes from a position to one that is not included; it is never
            asked for anything behind the end.
        size_bytes: size of the file.
        block_bytes: least that one request asks for, 4096 to 1 MiB.
        max_requests: after so many requests further ones raise `FetchWhole`.

    Attributes:
        requests: how often `read_range` was called.
        fetched_bytes: how many bytes it returned.

    Raises:
        UsageError: for a size below 0 or a block outside its limits.
        FetchWhole: from a read, see above.
        FetchFailure: from a read, if `read_range` raises it or returns another number of bytes.
    """

    def __init__(
        self,
        read_range: ReadRange,
        size_bytes: int,
        *,
        block_bytes: int = 256 << 10,
        max_requests: int = 64,
    ) -> None:
        super().__init__()
        if size_bytes < 0 or not _MIN_BLOCK_BYTES <= block_bytes <= _MAX_RUN_BYTES:
            raise UsageError(
                f"expected a size from 0 up and blocks of {_MIN_BLOCK_BYTES} to "
                f"{_MAX_RUN_BYTES} bytes, "
                f"but got {size_bytes} and {block_bytes}"
            )
        self.requests, self.fetched_bytes = 0, 0
        self._read_range, self._size = read_range, size_bytes
        self._block, self._max_requests = block_bytes, max_requests
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._position = 0
        self._next_block, self._run = -1, 1

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position, which may lie behind the end, and return it.

        Raises:
            ValueError: for a position below 0 or an unknown `whence`, as other files do.
        """
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        if whence not in base or base[whence] + offset < 0:
            raise ValueError(f"cannot seek by {offset} with whence {whence}")
        self._position = base[whence] + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer from the position on, up to the end of one block; 0 at the end."""
        view = memoryview(buffer).cast("B")
        number, offset = divmod(self._position, self._block)
        count = min(len(view), self._block - offset, self._size - self._position)
        if count <= 0:
            return 0
        view[:count] = self._block_at(number)[offset : offset + count]
        self._position += count
        return count

    def _block_at(self, number: int) -> bytes:
        if number not in self._blocks:
            self._request(number)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _request(self, number: int) -> None:
        """Fetch a block, and those behind it where reading went straight on."""
        if self.requests >= self._max_requests:
            raise FetchWhole(f"more than {self._max_requests} requests for parts of one file")
        most = max(1, _MAX_RUN_BYTES // self._block)
        self._run = min(2 * self._run, most) if number == self._next_block else 1
        behind = range(number + 1, number + self._run)
        until = next((one for one in behind if one in self._blocks), number + self._run)
        start, stop = number * self._block, min(until * self._block, self._size)
        self.requests += 1
        content = self._read_range(start, stop)
        self.fetched_bytes += len(content)
        if len(content) != stop - start:
            raise FetchFailure(
                "truncated", f"expected {stop - start} bytes, but {len(content)} came"
            )
        self._keep(number, content)

    def _keep(self, number: int, content: bytes) -> None:
        for at in range(0, len(content), self._block):
            self._blocks[number] = content[at : at + self._block]
            number += 1
        self._next_block = number
        while len(self._blocks) * self._block > _CACHE_BYTES:
            self._blocks.popitem(last=False)
