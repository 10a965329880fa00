"""A value that stays on the cluster: too large for the driver (law 10).

Touches distributed; takes a future; gives the value when asked. Lives on the driver; calls that
use it get the value from worker to worker.
"""

from typing import Any, NoReturn

from distributed import Future

from orchestrator.errors import MachineryError
from orchestrator.mapping.executing import Kept


class KeptValue(Kept):
    """A value on the cluster. It stays there for as long as this object lives."""

    __slots__ = ("future",)

    def __init__(self, future: Future) -> None:
        self.future = future

    def fetch(self) -> Any:
        """The value itself, brought here.

        Raises:
            MachineryError: It is no longer on the cluster and could not be computed again.
        """
        try:
            return self.future.result()
        except Exception as error:
            raise MachineryError(
                f"a value kept on the cluster cannot be brought here: {error}; "
                "run the flow again, or store large results by their address"
            ) from error

    def __repr__(self) -> str:
        return f"<value kept on the cluster as {self.future.key!r}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a value kept on the cluster cannot be pickled; fetch() it first")
