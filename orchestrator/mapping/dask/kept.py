"""A value that stays on the cluster: too large for the driver (law 10).

Touches distributed; takes a future; gives the value when asked. Lives on the driver; calls that
use it get the value from worker to worker.
"""

import pickle
import time
from typing import Any, NoReturn

from distributed import Future

from orchestrator.errors import MachineryError
from orchestrator.mapping.dask.results import pack_kept
from orchestrator.mapping.executing import Kept
from orchestrator.user_code import RaisedError, described, user_code

_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts to bring a value here."""


class KeptValue(Kept):
    """A value on the cluster. It stays there for as long as this object lives."""

    __slots__ = ("future",)

    def __init__(self, future: Future) -> None:
        self.future = future

    def fetch(self) -> Any:
        """The value itself, brought here.

        It is unpickled in this thread and not in Dask's, which would not survive all that a
        class of the user's may raise.

        Raises:
            RaisedError: The value cannot be pickled there or unpickled here.
            MachineryError: It is no longer on the cluster and could not be computed again.
        """
        try:
            packed = self._packed()
        except MachineryError:
            raise
        except Exception as error:
            raise self._gone(described(error)) from error
        if isinstance(packed, str):
            raise RaisedError(TypeError(f"the value cannot be pickled: {packed}"))
        with user_code():
            return pickle.loads(packed)  # noqa: S301 - our workers'

    def _packed(self) -> bytes | str:
        """The value in bytes, or why it cannot be pickled, from one of the workers that have it.

        A worker may go, or hand it on, between the two questions: then both are asked again.
        """
        client, key = self.future.client, self.future.key
        for pause in _PAUSES:
            error = self.future.exception()  # waits, by its own client
            if error is not None:
                raise self._gone(described(error))
            for address in client.who_has([self.future])[key]:
                answers = client.run(pack_kept, key, workers=[address], on_error="ignore")
                packed: bytes | str | None = answers.get(address)
                if packed is not None:
                    return packed
            time.sleep(pause)
        raise self._gone("no worker gives it")

    def _gone(self, why: str) -> MachineryError:
        return MachineryError(
            f"a value kept on the cluster cannot be brought here: {why}; `orchestrator resume` "
            "computes it again, or store large results by their address"
        )

    def __repr__(self) -> str:
        return f"<value kept on the cluster as {self.future.key!r}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a value kept on the cluster cannot be pickled; fetch() it first")
