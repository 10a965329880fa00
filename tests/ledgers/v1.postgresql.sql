-- The ledger's schema of version 1, as the program of that version made it.
CREATE TABLE ledger_flow_runs (
    id TEXT COLLATE "C" NOT NULL,
    flow TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL,
    params TEXT NOT NULL,
    started DOUBLE PRECISION NOT NULL,
    ended DOUBLE PRECISION,
    counts TEXT NOT NULL,
    context TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ledger_flow_runs_by_start ON ledger_flow_runs (started);
CREATE INDEX ledger_flow_runs_of_flow ON ledger_flow_runs (flow, started);
CREATE TABLE ledger_lives (
    id SERIAL NOT NULL,
    kind TEXT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    valid_from DOUBLE PRECISION NOT NULL,
    valid_to DOUBLE PRECISION,
    event TEXT NOT NULL,
    state TEXT NOT NULL,
    snapshot TEXT COLLATE "C" NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ledger_lives_of_key ON ledger_lives (kind, key, id);
CREATE UNIQUE INDEX ledger_lives_open ON ledger_lives (kind, key) WHERE valid_to IS NULL;
CREATE TABLE ledger_owner (
    id INTEGER NOT NULL CHECK (id = 1),
    experiment TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE ledger_promotions (
    id SERIAL NOT NULL,
    flow_run TEXT COLLATE "C" NOT NULL,
    customer TEXT COLLATE "C" NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    confirmed DOUBLE PRECISION,
    content TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ledger_promotions_of_customer ON ledger_promotions (customer, id, confirmed);
CREATE UNIQUE INDEX ledger_promotions_once ON ledger_promotions (flow_run, customer);
CREATE TABLE ledger_results (
    fingerprint TEXT COLLATE "C" NOT NULL,
    value BYTEA NOT NULL,
    recorded DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (fingerprint)
);
CREATE TABLE ledger_schema_version (
    id INTEGER NOT NULL CHECK (id = 1),
    version INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE ledger_snapshots (
    id TEXT COLLATE "C" NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE ledger_fetches (
    id SERIAL NOT NULL,
    snapshot TEXT COLLATE "C" NOT NULL,
    source TEXT NOT NULL,
    etag TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    models INTEGER NOT NULL,
    customers INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    rejections TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(snapshot) REFERENCES ledger_snapshots (id)
);
CREATE INDEX ledger_fetches_of_snapshot ON ledger_fetches (snapshot, id);
CREATE TABLE ledger_nodes (
    id SERIAL NOT NULL,
    flow_run TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(flow_run) REFERENCES ledger_flow_runs (id)
);
CREATE UNIQUE INDEX ledger_nodes_of_flow_run ON ledger_nodes (flow_run, name);
CREATE TABLE ledger_studies (
    id SERIAL NOT NULL,
    flow_run TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    customer TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    metric TEXT NOT NULL,
    direction TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(flow_run) REFERENCES ledger_flow_runs (id)
);
CREATE INDEX ledger_studies_of_customer ON ledger_studies (customer, model, id);
CREATE UNIQUE INDEX ledger_studies_of_flow_run ON ledger_studies (flow_run, key);
CREATE INDEX ledger_studies_of_model ON ledger_studies (model, id);
CREATE TABLE ledger_instances (
    node INTEGER NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    idx INTEGER NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    started DOUBLE PRECISION,
    ended DOUBLE PRECISION,
    worker TEXT NOT NULL,
    error TEXT,
    arguments TEXT NOT NULL,
    fingerprint TEXT COLLATE "C",
    PRIMARY KEY (node, key),
    FOREIGN KEY(node) REFERENCES ledger_nodes (id)
);
CREATE INDEX ledger_instances_by_state ON ledger_instances (node, state, idx);
CREATE INDEX ledger_instances_in_order ON ledger_instances (node, idx);
CREATE TABLE ledger_trials (
    study INTEGER NOT NULL,
    number INTEGER NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL,
    score DOUBLE PRECISION,
    seconds DOUBLE PRECISION NOT NULL,
    params TEXT NOT NULL,
    scores TEXT NOT NULL,
    fit_seconds TEXT NOT NULL,
    score_seconds TEXT NOT NULL,
    rows INTEGER NOT NULL,
    data_version TEXT NOT NULL,
    started DOUBLE PRECISION NOT NULL,
    ended DOUBLE PRECISION NOT NULL,
    worker TEXT NOT NULL,
    error TEXT,
    sent DOUBLE PRECISION,
    PRIMARY KEY (study, number),
    FOREIGN KEY(study) REFERENCES ledger_studies (id)
);
CREATE UNIQUE INDEX ledger_trials_by_run_id ON ledger_trials (run_id);
CREATE INDEX ledger_trials_unsent ON ledger_trials (study, number) WHERE sent IS NULL;
INSERT INTO ledger_schema_version (id, version) VALUES (1, 1);
