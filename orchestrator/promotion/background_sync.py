"""The background sync: while workers work, it opens MLflow and sends what the ledger has by then.

Touches no library itself; takes an `Outbox`; a thread of the driver's process. If MLflow fails,
only this thread is delayed: it tries again at growing intervals. Whatever it has not sent when the
flow has ended is sent then, or by a later sync.
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
"""The wait between sends: a trial among hundreds costs MLflow half as much as one among dozens."""

_AT_MOST_SECONDS = 60.0
"""The longest wait between two attempts while MLflow fails; each failure doubles the wait."""

_HEAD_START_SECONDS = 4.0
"""The time for workers to begin their first fits, which importing MLflow meanwhile would delay. It
ends as soon as there is something to send."""


class BackgroundSync:
    """A context in which a thread sends trials to MLflow.

    A flow run that has nothing to send leaves MLflow unchanged, including its saved views.

    Args:
        outbox: The outbox that sends the trials.
        evaluation: The evaluation that compares the trials, for the views.
        flow_run: The id of the flow run that makes the trials.
        say: Receives one sentence when MLflow fails for the first time.
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
            self._thread.join()  # after Ctrl-C do not wait: the thread ends with the process

    def catch_up(self) -> None:
        """Mark retired models, send the trials that MLflow lacks by now, and save the views.

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
        """Send the rest; return what could not be sent, and why, in a sentence; None if nothing."""
        trouble = ""
        try:
            self.catch_up()
        except (MachineryError, UsageError) as error:
            trouble = f": {error}"
        except Exception as error:  # the results are in the ledger: this must not fail the run
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
            except Exception as error:  # a bug here would end the thread silently
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
    """Return the text of an error that has no message for users; secrets in it are redacted."""
    return redacted(f"{type(unexpected).__name__}: {unexpected}")
