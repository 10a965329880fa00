"""An experiment as an object: everything that the command line can do with a configuration.

Touches no library itself; takes a configuration or Python objects; gives frozen records; driver.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self, Unpack, get_args

from orchestrator import config
from orchestrator.api.documents import Rows, Sections, document_of, inline
from orchestrator.api.project_folder import require_no_earlier_ledger, working_in
from orchestrator.api.resumption import settings_of, unfinished
from orchestrator.api.run_settings import run_settings
from orchestrator.api.watching import Watching
from orchestrator.errors import ConfigError, UsageError
from orchestrator.events import EventObserver
from orchestrator.ledger import Ledger
from orchestrator.maintenance.doctor import diagnose, treat
from orchestrator.maintenance.findings import Diagnosis
from orchestrator.pipeline import pipeline
from orchestrator.pipeline.explanation import Why, why
from orchestrator.pipeline.plan import Plan, plan
from orchestrator.pipeline.report import Report
from orchestrator.promotion.sync import Sent, sync
from orchestrator.promotion.transfer import to_new_mlflow
from orchestrator.records import KeptLogs, TrialState
from orchestrator.reports.customer_trials import CustomerTrials, customer_trials
from orchestrator.reports.status import Life, Status, life, status
from orchestrator.settings import ExperimentSettings


class Experiment:
    """One project: its lists, its loader, its ledger, its MLflow.

    Methods work in the project's folder, against which relative addresses are resolved, and
    restore the caller's folder when they end.

    Args:
        name: The experiment's name, also in MLflow.
        loader: The function that returns one customer's data, or its import path
            `package.module:function`. Workers import it, so it must be defined in a module.
        models: The candidate models, each a row or a `ModelSpec`.
        customers: The customers, each a row or a `Customer`.
        registry: The source of the two lists, instead of the lists: `{"source": "sql", ...}`.
        evaluation: The settings of the comparison: `{"metric": "roc_auc", "folds": 5}`.
        root: The base folder of relative addresses, in which `state/` is created; None is the
            current one.
        **sections: The other sections of a configuration; see `Sections`.

    Raises:
        ConfigError: An argument is wrong; the error names its key.
    """

    settings: ExperimentSettings
    _place: Path

    def __init__(
        self,
        name: str,
        *,
        loader: str | Callable[..., Any],
        models: Rows = (),
        customers: Rows = (),
        registry: Mapping[str, Any] | None = None,
        evaluation: Mapping[str, Any] | None = None,
        root: str | Path | None = None,
        **sections: Unpack[Sections],
    ) -> None:
        if registry is not None and (models or customers):
            raise ConfigError("give the lists, or where they are fetched, not both", key="registry")
        lists = inline(models, customers) if registry is None else registry
        folder = Path(root or ".").absolute()
        if not folder.is_dir():
            raise ConfigError(f"there is no folder {folder}", key="root")
        document = document_of(name, lists, loader, evaluation or {}, sections)
        self.settings = config.build(document, folder)
        self._place = _place_of(self.settings)

    @classmethod
    def from_file(cls, path: str | Path | None = None) -> Self:
        """Return the experiment that a configuration file describes.

        Args:
            path: The file; None is the one that the command line would use.

        Raises:
            ConfigError: There is no such file, or a key of it is wrong.
            UsageError: The current folder has the ledger, where an earlier version placed it.
        """
        settings = config.load(config.find(None if path is None else str(path)))
        require_no_earlier_ledger(settings)
        return cls.from_settings(settings)

    @classmethod
    def from_settings(cls, settings: ExperimentSettings) -> Self:
        """Return the experiment with settings that have already been checked."""
        experiment = cls.__new__(cls)
        experiment.settings = settings
        experiment._place = _place_of(settings)  # noqa: SLF001 - its own
        return experiment

    @classmethod
    def from_flow_run(
        cls,
        flow_run: str | None = None,
        *,
        path: str | Path | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Return an experiment with the configuration recorded when one of its flow runs began.

        The current configuration gives the ledger's address, and need not be valid otherwise.

        Args:
            flow_run: Its id, a prefix of the id, or `latest`; None: the last that has not ended.
            path: The configuration; None is the one that the command line would use.
            say: Called with sentences about changes since then.

        Raises:
            UsageError: There is no such flow run.
            ConfigError: The configuration does not give the ledger's address.
        """
        file = config.find(None if path is None else str(path))
        where = run_settings(str(file))
        with Ledger.look(where.ledger) as ledger:
            found = unfinished(ledger, flow_run)
        then = settings_of(found, config.read(file), file, use_current=False, say=say)
        if where.problem is None:
            then = replace(then, grace=where.grace, logs=where.logs)
        return cls.from_settings(replace(then, ledger=where.ledger))

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.settings.name

    def __repr__(self) -> str:
        return f"<Experiment {self.name!r} of {self.settings.config or 'Python objects'}>"

    def plan(self, *, accept: Collection[str] = ()) -> Plan:
        """Return the work that a run would do now; nothing is written.

        Args:
            accept: Names of guards whose objections would be accepted.

        Raises:
            ConfigError: Configuration or models are wrong.
            RegistryError: The registry failed.
        """
        with self._at_home():
            return plan(self.settings, accept)

    def why(self, customer: str, *, accept: Collection[str] = ()) -> Why:
        """Return the work that a run would do for one customer, and why; nothing is written.

        Args:
            customer: Its id.
            accept: Names of guards whose objections would be accepted.

        Raises:
            UsageError: Neither the registry nor the ledger knows the customer.
            ConfigError: Configuration or models are wrong.
            RegistryError: The registry failed.
        """
        with self._at_home():
            return why(self.settings, customer, accept)

    def run(
        self,
        *,
        fresh: bool = False,
        accept: Collection[str] = (),
        force: bool = False,
        grace: float | None = None,
        keep_logs: KeptLogs | None = None,
        observers: Sequence[EventObserver] = (),
        **watching: Unpack[Watching],
    ) -> Report:
        """Fetch the lists; train, track, select and deploy for every active customer.

        Args:
            fresh: Train again even where a success is recorded.
            accept: Names of guards whose objections are accepted.
            force: Take over from a driver that may still be running the experiment.
            grace: Seconds that running calls have to end once `stop` returns True; None: the
                configured value.
            keep_logs: The attempts whose output is kept; None: the configured value.
            observers: Functions that receive the records of `orchestrator.events`, as installed
                observers do.
            **watching: See `Watching`.

        Raises:
            ConfigError: Configuration or models are wrong; nothing was started.
            RegistryError: The registry failed, or a guard refused; nothing was changed.
            HeldError: Another driver is running the experiment; nothing was changed.
            MachineryError: Ledger or cluster failed; recorded results are kept.
        """
        with self._at_home():
            settings = _with_options(self.settings, grace, keep_logs)
            return pipeline.run(
                settings,
                fresh=fresh,
                accept=accept,
                force=force,
                observers=observers,
                **watching,
            )

    def resume(
        self,
        flow_run: str | None = None,
        *,
        new_config: bool = False,
        force: bool = False,
        grace: float | None = None,
        keep_logs: KeptLogs | None = None,
        observers: Sequence[EventObserver] = (),
        **watching: Unpack[Watching],
    ) -> Report:
        """Continue a flow run under its own id, with the lists and settings that it began with.

        Args:
            flow_run: Its id, a prefix of the id, or `latest`; None: the last that has not ended.
            new_config: Use the settings of this object instead of those that it began with.
            force: Take over from a driver that may still be running the experiment.
            grace: Seconds that running calls have to end once `stop` returns True; None: the
                configured value.
            keep_logs: The attempts whose output is kept; None: the configured value.
            observers: Functions that receive the records of `orchestrator.events`, as installed
                observers do.
            **watching: See `Watching`.

        Raises:
            UsageError: There is no such flow run, or it cannot continue; nothing was changed.
            ConfigError: Settings or models are wrong; nothing was started.
            HeldError: Another driver is running the experiment; nothing was changed.
            MachineryError: Ledger or cluster failed; recorded results are kept.
        """
        say = watching.get("say", _silently)
        with self._at_home():
            with Ledger.look(self.settings.ledger) as ledger:
                found = unfinished(ledger, flow_run, of=self.name)
            now = self.settings.document or {}
            then = settings_of(found, now, self._place, use_current=new_config, say=say)
            own = _with_options(self.settings, grace, keep_logs)
            settings = replace(then, ledger=own.ledger, grace=own.grace, logs=own.logs)
            say(f"resuming flow run {found.id} of {found.flow}")
            return pipeline.resume(settings, found, force=force, observers=observers, **watching)

    def status(self, *, at: datetime | None = None) -> Status:
        """Return every customer with the model that serves it.

        Args:
            at: The moment; None is now. One without a time zone is local time.

        Raises:
            UsageError: Nothing has run yet.
        """
        with self._reading() as ledger:
            return status(ledger, self.name, None if at is None else at.timestamp())

    def history(self, key: str, *, kind: Literal["customer", "model"] | None = None) -> Life:
        """Return the history of one customer or model: its periods, trials and champions.

        Args:
            key: Its id.
            kind: Whether it is a customer or a model; None means the customer if both have this id.

        Raises:
            UsageError: The id was never listed.
        """
        with self._reading() as ledger:
            return life(ledger, key, kind)

    def trials(
        self,
        customer: str,
        *,
        model: str | None = None,
        best: int | None = None,
        state: TrialState | None = None,
        limit: int | None = None,
    ) -> CustomerTrials:
        """Return a customer's trials, the latest first, or the best of all flow runs.

        Args:
            customer: Its id.
            model: Only this model's.
            best: The number of best trials, by the metric of the customer's last comparison.
            state: Only trials that ended in this state.
            limit: The maximum number of latest trials; None is all.

        Raises:
            UsageError: The customer was never listed, or the arguments contradict each other.
        """
        with self._reading() as ledger:
            return customer_trials(
                ledger, customer, model=model, best=best, state=state, limit=limit
            )

    def sync(self, *, to_new: bool = False, say: Callable[[str], None] = lambda _: None) -> Sent:
        """Send MLflow everything that it lacks of the ledger; safe to repeat.

        Args:
            to_new: MLflow's address was changed on purpose: send everything to the new one.
            say: Called with sentences about the progress.

        Raises:
            HeldError: A driver is running the experiment.
            MachineryError: MLflow refused, or a model could not be written.
        """
        with self._at_home():
            return to_new_mlflow(self.settings, say) if to_new else sync(self.settings)

    def doctor(self, *, fix: bool = False) -> Diagnosis:
        """Compare ledger, MLflow, disks, versions and cluster, and return the problems.

        Args:
            fix: Repair what can be repaired; without it nothing is written.

        Raises:
            UsageError: The ledger belongs to another experiment.
            MachineryError: The ledger cannot be opened.
        """
        with self._at_home():
            return treat(self.settings) if fix else diagnose(self.settings)

    @contextmanager
    def _reading(self) -> Iterator[Ledger]:
        with self._at_home(), Ledger.find(self.settings.ledger) as ledger:
            yield ledger

    def _at_home(self) -> AbstractContextManager[None]:
        return working_in(self.settings.root)


def _silently(_sentence: str) -> None:
    """Say nothing."""


def _place_of(settings: ExperimentSettings) -> Path:
    """Return the source of settings: a file, or the folder of an experiment without one."""
    if settings.config is not None:
        return Path(settings.config).absolute()
    return settings.root or Path.cwd()


def _with_options(
    settings: ExperimentSettings, grace: float | None, keep_logs: KeptLogs | None
) -> ExperimentSettings:
    if keep_logs not in {None, *get_args(KeptLogs)}:
        raise UsageError(f"keep_logs is {keep_logs!r}: take {', '.join(get_args(KeptLogs))}")
    if grace is not None:
        if not isinstance(grace, int | float) or not grace >= 0:
            raise UsageError(f"grace is {grace!r}: take a number of seconds, at least 0")
        settings = replace(settings, grace=grace)
    if keep_logs is not None:
        settings = replace(settings, logs=replace(settings.logs, keep=keep_logs))
    return settings
