"""The ledger's schema: every table and index, and their purposes.

Touches SQLAlchemy; takes and gives nothing; used on the driver. Rows are only added, or receive an
end, a confirmation or a sent time. All names begin with `ledger_`, so that the ledger can share
a database with MLflow and the registry. JSON is kept as text: PostgreSQL's own JSON type refuses
the NaN that a score may be.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    text,
)

SCHEMA_VERSION = 10
"""Raised by one with every change of this file, together with a revision in `migrations`."""

Name = Text().with_variant(Text(collation="C"), "postgresql")
"""A key or id: compared byte by byte on both databases, so that a prefix is a range."""

metadata = MetaData()

schema_version = Table(
    "ledger_schema_version",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    comment="One row: which version of this file made or last upgraded the database.",
)

owner = Table(
    "ledger_owner",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("experiment", Name, nullable=False),
    comment="At most one row: whose customers, models and champions these are.",
)

leases = Table(
    "ledger_leases",
    metadata,
    Column("flow", Name, primary_key=True),
    Column("token", Name, nullable=False, comment="whose it is; drawn by chance"),
    Column("flow_run", Name, nullable=False, comment="empty: no flow run, e.g. a sync"),
    Column("host", Text, nullable=False),
    Column("place", Text, nullable=False, comment="where `pid` has a meaning"),
    Column("pid", Integer, nullable=False),
    Column("taken", Double, nullable=False),
    Column("beats", Integer, nullable=False, comment="grows while it is held"),
    Column("beaten", Double, nullable=False, comment="when `beats` last grew, by host"),
    Column("lasts", Double, nullable=False, comment="seconds without a beat until it expires"),
    comment="Who drives a flow now: at most one live driver for each.",
)

snapshots = Table(
    "ledger_snapshots",
    metadata,
    Column("id", Name, primary_key=True),
    Column("content", LargeBinary, nullable=False, comment="models and customers, zlib of JSON"),
    comment="What the registry returned, once for each distinct content.",
)

fetches = Table(
    "ledger_fetches",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("snapshot", Name, ForeignKey("ledger_snapshots.id"), nullable=False),
    Column("source", Text, nullable=False),
    Column("etag", Text, nullable=False, comment="the server's word for the version; may be empty"),
    Column("at", Double, nullable=False),
    Column("models", Integer, nullable=False),
    Column("customers", Integer, nullable=False),
    Column("rejected", Integer, nullable=False, comment="number of rejected rows"),
    Column("rejections", Text, nullable=False, comment="those rows, JSON"),
    Index("ledger_fetches_of_snapshot", "snapshot", "id"),
    comment="Each time the registry was read, even if nothing had changed.",
)

lives = Table(
    "ledger_lives",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False, comment="customer or model"),
    Column("key", Name, nullable=False),
    Column("valid_from", Double, nullable=False),
    Column("valid_to", Double, comment="null: this is how it is now"),
    Column("event", Text, nullable=False, comment="what began this period"),
    Column("state", Text, nullable=False, comment="active, paused or removed (the tombstone)"),
    Column("snapshot", Name, nullable=False, comment="which snapshot began it"),
    Column("content", Text, nullable=False, comment="the registry row, canonical JSON"),
    # A life in order, and the customers or models of one moment.
    Index("ledger_lives_of_key", "kind", "key", "id"),
    # Comparing with the present; at most one open period for each key, by force.
    Index(
        "ledger_lives_open",
        "kind",
        "key",
        unique=True,
        sqlite_where=text("valid_to IS NULL"),
        postgresql_where=text("valid_to IS NULL"),
    ),
    comment="The periods of each customer and model, without a gap since it was first seen.",
)

flow_runs = Table(
    "ledger_flow_runs",
    metadata,
    Column("id", Name, primary_key=True),
    Column("flow", Name, nullable=False),
    Column("state", Text, nullable=False),
    Column("params", Text, nullable=False, comment="JSON"),
    Column("started", Double, nullable=False),
    Column("ended", Double),
    Column("counts", Text, nullable=False, comment="instances by state, JSON"),
    Column("kind", Text, comment="experiment, file or erasure; null: a program called `run`"),
    Column("context", Text, nullable=False, comment="the record of that kind, JSON"),
    # Listing the latest, of all flows or of one.
    Index("ledger_flow_runs_by_start", "started"),
    Index("ledger_flow_runs_of_flow", "flow", "started"),
    comment="One execution of a flow each.",
)

nodes = Table(
    "ledger_nodes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("flow_run", Name, ForeignKey("ledger_flow_runs.id"), nullable=False),
    Column("name", Name, nullable=False),
    Index("ledger_nodes_of_flow_run", "flow_run", "name", unique=True),
    comment="The tasks of a flow run: a number in place of two names in a million instances.",
)

instances = Table(
    "ledger_instances",
    metadata,
    Column("node", Integer, ForeignKey("ledger_nodes.id"), primary_key=True, autoincrement=False),
    Column("key", Name, primary_key=True),
    Column("idx", Integer, nullable=False, comment="map index, for display"),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("worker", Text, nullable=False),
    Column("error", Text),
    Column("arguments", Text, nullable=False),
    Column("fingerprint", Name),
    Column("customer", Name, comment="in flow runs of an experiment; null: of all customers"),
    # Listing a page; counting by state, and finding the failures among a million.
    Index("ledger_instances_in_order", "node", "idx"),
    Index("ledger_instances_by_state", "node", "state", "idx"),
    comment="How each mapped call ended; the last record of a key counts.",
)

logs = Table(
    "ledger_logs",
    metadata,
    Column("node", Integer, ForeignKey("ledger_nodes.id"), primary_key=True, autoincrement=False),
    Column("key", Name, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False, comment="zlib of UTF-8; bounded"),
    Column("customer", Name, comment="as of the instance"),
    comment="What an attempt of an instance printed, logged and warned of, where that is kept.",
)

results = Table(
    "ledger_results",
    metadata,
    Column("fingerprint", Name, primary_key=True),
    Column("scope", Name, comment="the flow run that alone may use it; null: all may"),
    Column("value", LargeBinary, nullable=False, comment="cloudpickle"),
    Column("recorded", Double, nullable=False),
    comment="What work of a fingerprint returned, to be used again.",
)

studies = Table(
    "ledger_studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("flow_run", Name, ForeignKey("ledger_flow_runs.id"), nullable=False),
    Column("key", Name, nullable=False),
    Column("customer", Name, nullable=False),
    Column("model", Name, nullable=False),
    Column(
        "champion",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="it scores the present champion again, and searches nothing",
    ),
    Column("metric", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("content", Text, nullable=False, comment="the study by value, JSON"),
    Index("ledger_studies_of_flow_run", "flow_run", "key", unique=True),
    # A customer's history, and the last study of each customer and model.
    Index("ledger_studies_of_customer", "customer", "model", "id"),
    Index("ledger_studies_of_model", "model", "id"),
    comment="A customer, a model and a way of comparing, in one flow run.",
)

trials = Table(
    "ledger_trials",
    metadata,
    Column("study", Integer, ForeignKey("ledger_studies.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Name, nullable=False, comment="MLflow's, deterministic"),
    Column("state", Text, nullable=False),
    Column("score", Double, comment="mean of the study's metric; null unless a finite success"),
    Column("seconds", Double, nullable=False, comment="fits and scorings of all folds"),
    Column("params", Text, nullable=False, comment="JSON"),
    Column("budget", Text, comment="the part it was given, JSON; null: everything"),
    Column("scores", Text, nullable=False, comment="by metric, one value a fold, JSON"),
    Column("fit_seconds", Text, nullable=False, comment="one value a fold, JSON"),
    Column("score_seconds", Text, nullable=False, comment="one value a fold, JSON"),
    Column("rows", Integer, nullable=False),
    Column("data_version", Text, nullable=False),
    Column("started", Double, nullable=False),
    Column("ended", Double, nullable=False),
    Column("worker", Text, nullable=False),
    Column("error", Text),
    Column("sent", Double, comment="when MLflow had it; null: still to be sent (law 3)"),
    Index("ledger_trials_by_run_id", "run_id", unique=True),
    # The outbox: empty, and so free, when everything was sent.
    Index(
        "ledger_trials_unsent",
        "study",
        "number",
        sqlite_where=text("sent IS NULL"),
        postgresql_where=text("sent IS NULL"),
    ),
    comment="The outcome of each point of each study.",
)

promotions = Table(
    "ledger_promotions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("flow_run", Name, nullable=False),
    Column("customer", Name, nullable=False),
    Column("at", Double, nullable=False),
    Column("trial", Name, comment="the promoted one, by its run_id"),
    Column("confirmed", Double, comment="when the alias was moved; null: not yet, or never"),
    Column(
        "state",
        Text,
        nullable=False,
        server_default="intended",
        comment="intended, written, deployed, failed or rolled_back",
    ),
    Column("content", Text, nullable=False, comment="the promotion by value, JSON"),
    Index("ledger_promotions_once", "flow_run", "customer", unique=True),
    # A customer's chain, and the last link of each.
    Index("ledger_promotions_of_customer", "customer", "id", "confirmed"),
    comment="Each change of a customer's champion, written before its alias is moved.",
)

retirements = Table(
    "ledger_retirements",
    metadata,
    Column("customer", Name, primary_key=True),
    Column("at", Double, nullable=False, comment="when MLflow received it"),
    comment="Customers whose registered model MLflow shows as retired.",
)

identity = Table(
    "ledger_identity",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("token", Name, nullable=False, comment="drawn by chance, also kept in MLflow"),
    Column("place", Text, nullable=False, comment="where this ledger is"),
    Column("tracking", Text, nullable=False, comment="MLflow's address, no password"),
    Column("artifacts", Text, nullable=False, comment="the root of MLflow's experiment"),
    Column("bound", Integer, nullable=False, comment="1: MLflow has the token, too"),
    comment="At most one row: the stores that this ledger works with.",
)
