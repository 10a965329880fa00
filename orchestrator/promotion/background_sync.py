"""The courier: while workers work, MLflow is opened and sent what the ledger has by then.

Touches no library itself; takes a `Outbox`; a thread of the driver's process. MLflow in trouble
delays the courier and nobody else: it tries again, later and later; what it has not sent when the
flow has ended is sent then, or by a sync.
"""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType

from orchestrator.errors import MachineryError, OrchestratorError, UsageError
from orchestrator.promotion.outbox import Outbox
from orchestrator.records import Evaluation
from orchestrator.redaction import redacted

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_EVERY_SECONDS = 2.0
"""A trial among hundreds takes MLflow's database half of what it takes among dozens."""

_AT_MOST_SECONDS = 60.0
"""Between two attempts while MLflow is in trouble; each failure doubles the wait."""

_HEAD_START_SECONDS = 4.0
"""What workers may have to begin their first fits, which importing MLflow beside them would delay.
It is over as soon as there is something to send."""


class BackgroundSync:
    """Sends trials for as long as the context lasts.

    A flow run that has nothing to send leaves MLflow as it is, its saved views included.

    Args:
        outbox: What sends.
        evaluation: How trials are compared, for the views.
        flow_run: Whose trials they are.
        say: Told, in a sentence, when MLflow is in trouble for the first time.
    """

    def __init__(
        self, outbox: Outbox, evaluation: Evaluation, flow_run: str, *, say: Callable[[str], None]
    ) -> None:
        self._outbox, self._evaluation, self._flow_run = outbox, evaluation, flow_run
        self._say = say
        self._has_marked = self._has_viewed = self._has_reported = False
        self._over = Event()
        self._thread = Thread(target=self._run, name="courier", daemon=True)

    def __enter__(self) -> "BackgroundSync":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if kind is None or not issubclass(kind, KeyboardInterrupt):
            self._thread.join()  # else at once: the thread ends with the process

    def catch_up(self) -> None:
        """Do what is left to be done by now.

        Raises:
            MachineryError: MLflow refused.
        """
        if not self._has_marked:
            self._outbox.mark_listed()
            self._has_marked = True
        self._outbox.send_trials()
        if self._outbox.has_sent and not self._has_viewed:
            self._outbox.save_views(self._evaluation, self._flow_run)
            self._has_viewed = True

    def what_is_lacking(self) -> str | None:
        """Send what is left; what could not be sent, and why, in a sentence; None if all was."""
        trouble = ""
        try:
            self.catch_up()
        except (MachineryError, UsageError) as error:
            trouble = f": {error}"
        except Exception as error:  # the results are in the ledger: this must not spoil the run
            logger.exception("an unexpected error while MLflow was sent what it lacked")
            trouble = f": {_in_words(error)}"
        trials, promotions = self._outbox.lacking()
        if not (trials or promotions or trouble):
            return None
        return (
            f"MLflow lacks {trials} trials and {promotions} champions of this ledger{trouble}. "
            "Nothing is lost: the ledger has them, and `orchestrator sync` sends them"
        )

    def _run(self) -> None:
        self._give_head_start()
        wait = _EVERY_SECONDS
        while True:
            try:
                self.catch_up()
                wait = _EVERY_SECONDS
            except MachineryError as error:
                wait = min(2 * wait, _AT_MOST_SECONDS)
                self._report(error)
                logger.warning("MLflow is sent nothing for %g s: %s", wait, error)
            except OrchestratorError as error:
                self._report(error)
                logger.warning("MLflow is sent nothing more: %s", error)
                return
            except Exception as error:  # a bug here would end the thread without a word
                self._report(_in_words(error))
                logger.exception("MLflow is sent nothing more before the flow has ended")
                return
            if self._over.wait(wait):
                return

    def _give_head_start(self) -> None:
        until = time.monotonic() + _HEAD_START_SECONDS
        while time.monotonic() < until and not self._outbox.has_trials_to_send:
            if self._over.wait(_LOOK_SECONDS):
                return

    def _report(self, trouble: OrchestratorError | str) -> None:
        if not self._has_reported:
            self._say(
                f"{trouble}. The run continues without it; the ledger keeps what MLflow lacks"
            )
            self._has_reported = True


def _in_words(unexpected: Exception) -> str:
    """An error that nobody has given words for people; it may quote a secret."""
    return redacted(f"{type(unexpected).__name__}: {unexpected}")
