-- A ledger of version 8, as the program of that version made and filled it; the folder
-- it was made in stands as @PROJECT@.
CREATE TABLE public.ledger_fetches (
    id integer NOT NULL,
    snapshot text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL,
    etag text NOT NULL,
    at double precision NOT NULL,
    models integer NOT NULL,
    customers integer NOT NULL,
    rejected integer NOT NULL,
    rejections text NOT NULL
);
CREATE SEQUENCE public.ledger_fetches_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.ledger_fetches_id_seq OWNED BY public.ledger_fetches.id;
CREATE TABLE public.ledger_flow_runs (
    id text NOT NULL COLLATE pg_catalog."C",
    flow text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL,
    params text NOT NULL,
    started double precision NOT NULL,
    ended double precision,
    counts text NOT NULL,
    context text NOT NULL
);
CREATE TABLE public.ledger_identity (
    id integer NOT NULL,
    token text NOT NULL COLLATE pg_catalog."C",
    place text NOT NULL,
    tracking text NOT NULL,
    artifacts text NOT NULL,
    bound integer NOT NULL,
    CONSTRAINT ledger_identity_id_check CHECK ((id = 1))
);
CREATE TABLE public.ledger_instances (
    node integer NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    idx integer NOT NULL,
    state text NOT NULL,
    tries integer NOT NULL,
    started double precision,
    ended double precision,
    worker text NOT NULL,
    error text,
    arguments text NOT NULL,
    fingerprint text COLLATE pg_catalog."C"
);
CREATE TABLE public.ledger_leases (
    flow text NOT NULL COLLATE pg_catalog."C",
    token text NOT NULL COLLATE pg_catalog."C",
    flow_run text NOT NULL COLLATE pg_catalog."C",
    host text NOT NULL,
    place text NOT NULL,
    pid integer NOT NULL,
    taken double precision NOT NULL,
    beats integer NOT NULL,
    beaten double precision NOT NULL,
    lasts double precision NOT NULL
);
CREATE TABLE public.ledger_lives (
    id integer NOT NULL,
    kind text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    valid_from double precision NOT NULL,
    valid_to double precision,
    event text NOT NULL,
    state text NOT NULL,
    snapshot text NOT NULL COLLATE pg_catalog."C",
    content text NOT NULL
);
CREATE SEQUENCE public.ledger_lives_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.ledger_lives_id_seq OWNED BY public.ledger_lives.id;
CREATE TABLE public.ledger_logs (
    node integer NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    attempt integer NOT NULL,
    content bytea NOT NULL
);
CREATE TABLE public.ledger_nodes (
    id integer NOT NULL,
    flow_run text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE public.ledger_nodes_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.ledger_nodes_id_seq OWNED BY public.ledger_nodes.id;
CREATE TABLE public.ledger_owner (
    id integer NOT NULL,
    experiment text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT ledger_owner_id_check CHECK ((id = 1))
);
CREATE TABLE public.ledger_promotions (
    id integer NOT NULL,
    flow_run text NOT NULL COLLATE pg_catalog."C",
    customer text NOT NULL COLLATE pg_catalog."C",
    at double precision NOT NULL,
    confirmed double precision,
    state text DEFAULT 'intended'::text NOT NULL,
    content text NOT NULL
);
CREATE SEQUENCE public.ledger_promotions_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.ledger_promotions_id_seq OWNED BY public.ledger_promotions.id;
CREATE TABLE public.ledger_results (
    fingerprint text NOT NULL COLLATE pg_catalog."C",
    value bytea NOT NULL,
    recorded double precision NOT NULL
);
CREATE TABLE public.ledger_retirements (
    customer text NOT NULL COLLATE pg_catalog."C",
    at double precision NOT NULL
);
CREATE TABLE public.ledger_schema_version (
    id integer NOT NULL,
    version integer NOT NULL,
    CONSTRAINT ledger_schema_version_id_check CHECK ((id = 1))
);
CREATE TABLE public.ledger_snapshots (
    id text NOT NULL COLLATE pg_catalog."C",
    content bytea NOT NULL
);
CREATE TABLE public.ledger_studies (
    id integer NOT NULL,
    flow_run text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    customer text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL COLLATE pg_catalog."C",
    champion boolean DEFAULT false NOT NULL,
    metric text NOT NULL,
    direction text NOT NULL,
    content text NOT NULL
);
CREATE SEQUENCE public.ledger_studies_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.ledger_studies_id_seq OWNED BY public.ledger_studies.id;
CREATE TABLE public.ledger_trials (
    study integer NOT NULL,
    number integer NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL,
    score double precision,
    seconds double precision NOT NULL,
    params text NOT NULL,
    budget text,
    scores text NOT NULL,
    fit_seconds text NOT NULL,
    score_seconds text NOT NULL,
    rows integer NOT NULL,
    data_version text NOT NULL,
    started double precision NOT NULL,
    ended double precision NOT NULL,
    worker text NOT NULL,
    error text,
    sent double precision
);
ALTER TABLE ONLY public.ledger_fetches ALTER COLUMN id SET DEFAULT nextval('public.ledger_fetches_id_seq'::regclass);
ALTER TABLE ONLY public.ledger_lives ALTER COLUMN id SET DEFAULT nextval('public.ledger_lives_id_seq'::regclass);
ALTER TABLE ONLY public.ledger_nodes ALTER COLUMN id SET DEFAULT nextval('public.ledger_nodes_id_seq'::regclass);
ALTER TABLE ONLY public.ledger_promotions ALTER COLUMN id SET DEFAULT nextval('public.ledger_promotions_id_seq'::regclass);
ALTER TABLE ONLY public.ledger_studies ALTER COLUMN id SET DEFAULT nextval('public.ledger_studies_id_seq'::regclass);
INSERT INTO public.ledger_fetches VALUES (1, '58e7623e669bcd0da90b2c2e019ffc61', 'the configuration''s own lists', '', 1795860095.4098215, 2, 2, 0, '[]');
INSERT INTO public.ledger_fetches VALUES (2, '8d85acb311b22142b3a32aeef359616c', 'the configuration''s own lists', '', 1795860182.015013, 2, 2, 0, '[]');
INSERT INTO public.ledger_flow_runs VALUES ('20261128T100126-ed93b3', 'aging', 'success', '{}', 1795860103.8350062, 1795860152.3022192, '{"success": 14}', '{"snapshot": "58e7623e669bcd0da90b2c2e019ffc61", "config": "orchestrator.yaml", "settings": {"experiment": "aging", "registry": {"source": "inline"}, "evaluation": {"loader": "tests.support.synthetic:load"}, "cluster": {"kind": "inline"}, "tracking": {"uri": "sqlite:///mlflow.db", "artifacts": "artifacts"}, "ledger": "sqlite:///ledger.db"}, "fresh": false, "spread": [], "logs": {"keep": "failed", "bytes": 65536}, "cleared": ["7994226b0074590f0d390730611461fd", "4c29fa600a24ac64303b12e12697dcb5"]}');
INSERT INTO public.ledger_flow_runs VALUES ('20261128T100252-c92af7', 'aging', 'interrupted', '{}', 1795860191.207337, 1795860205.8086233, '{"success": 7, "pending": 2, "cached": 2}', '{"snapshot": "8d85acb311b22142b3a32aeef359616c", "config": "orchestrator.yaml", "settings": {"experiment": "aging", "registry": {"source": "inline"}, "evaluation": {"loader": "tests.support.synthetic:load"}, "cluster": {"kind": "inline"}, "tracking": {"uri": "sqlite:///mlflow.db", "artifacts": "artifacts"}, "ledger": "sqlite:///ledger.db"}, "fresh": false, "spread": [], "logs": {"keep": "failed", "bytes": 65536}, "cleared": ["7994226b0074590f0d390730611461fd", "4c29fa600a24ac64303b12e12697dcb5"]}');
INSERT INTO public.ledger_flow_runs VALUES ('20261128T100342-3deebe', 'adding', 'success', '{"n": 4}', 1795860222.8259459, 1795860222.9247298, '{"success": 8, "failed": 1}', '{"logs": {"keep": "failed", "bytes": 65536}, "file": "@PROJECT@/adding.py", "flow": "adding", "digest": "a66a3420e442994c05b36e517da3e0522602bbc13ccbf29d9d983c9af9a5abc9", "params": {"n": "4"}, "secret_params": {}, "cluster": false, "fresh": false, "rerun_of": null, "choice": null}');
INSERT INTO public.ledger_flow_runs VALUES ('20261128T100412-59c383', 'adding', 'failed', '{"n": 4}', 1795860252.4130924, 1795860252.538969, '{"success": 3, "failed": 1, "upstream_failed": 1, "cached": 4}', '{"logs": {"keep": "failed", "bytes": 65536}, "file": "@PROJECT@/adding.py", "flow": "adding", "digest": "6bd3890bea788bd2d5c7adacb600a4d095bcafe13655380166610ce84f194d65", "params": {"n": "4"}, "secret_params": {}, "cluster": false, "fresh": false, "rerun_of": null, "choice": null}');
INSERT INTO public.ledger_identity VALUES (1, 'f9b81082eaeb4f38ab27ab712a47b9df', '@PROJECT@/ledger.db', 'sqlite:///@PROJECT@/mlflow.db', '@PROJECT@/artifacts', 1);
INSERT INTO public.ledger_instances VALUES (3, 'acme/data', 0, 'success', 1, 1795860103.863556, 1795860104.0087092, 'inline', NULL, 'study=Study(...)', '20261128T100126-ed93b3:eb43e40aabbcf43e1a2f09e5821c28f2');
INSERT INTO public.ledger_instances VALUES (1, 'acme/logistic', 0, 'success', 1, 1795860104.0385764, 1795860104.3398921, 'inline', NULL, 'study=Study(...)', '73c88a4d4e21bd053f808eb4bba1fee0');
INSERT INTO public.ledger_instances VALUES (1, 'acme/tree', 1, 'success', 1, 1795860104.3405163, 1795860104.4357517, 'inline', NULL, 'study=Study(...)', '53814b45d4c2bd4604c880806f74b205');
INSERT INTO public.ledger_instances VALUES (2, 'acme', 0, 'success', 1, 1795860103.8613808, 1795860104.4378238, 'driver', NULL, 'work=CustomerPlan(''acme'')', NULL);
INSERT INTO public.ledger_instances VALUES (2, 'eu%2F7', 1, 'success', 1, 1795860104.438168, 1795860104.7936935, 'driver', NULL, 'work=CustomerPlan(''eu/7'')', NULL);
INSERT INTO public.ledger_instances VALUES (3, 'eu%2F7/data', 0, 'success', 1, 1795860104.4486196, 1795860104.484105, 'inline', NULL, 'study=Study(...)', '20261128T100126-ed93b3:430d63a3932b62666ee9c09e0b6672d6');
INSERT INTO public.ledger_instances VALUES (1, 'eu%2F7/logistic', 0, 'success', 1, 1795860104.513706, 1795860104.699346, 'inline', NULL, 'study=Study(...)', 'e3497faf90f67eb80c4a64ef8a9d1a1a');
INSERT INTO public.ledger_instances VALUES (1, 'eu%2F7/tree', 1, 'success', 1, 1795860104.7076786, 1795860104.7917802, 'inline', NULL, 'study=Study(...)', '5bf4524c2435975033636cf401689682');
INSERT INTO public.ledger_instances VALUES (4, '', -1, 'success', 1, 1795860104.8641257, 1795860121.6834786, 'driver', NULL, '', NULL);
INSERT INTO public.ledger_instances VALUES (5, 'acme/logistic-0', 0, 'success', 1, 1795860121.749109, 1795860127.0613284, 'inline', NULL, 'what=Refit(...)', NULL);
INSERT INTO public.ledger_instances VALUES (6, 'acme', 0, 'success', 1, 1795860121.6931567, 1795860151.4719865, 'driver', NULL, 'order=Order(''acme'')', NULL);
INSERT INTO public.ledger_instances VALUES (5, 'eu%2F7/logistic-0', 0, 'success', 1, 1795860151.4738557, 1795860151.5855293, 'inline', NULL, 'what=Refit(...)', NULL);
INSERT INTO public.ledger_instances VALUES (6, 'eu%2F7', 1, 'success', 1, 1795860151.4723756, 1795860151.8953762, 'driver', NULL, 'order=Order(''eu/7'')', NULL);
INSERT INTO public.ledger_instances VALUES (7, '', -1, 'success', 1, 1795860151.9080212, 1795860152.2838771, 'driver', NULL, '', NULL);
INSERT INTO public.ledger_instances VALUES (8, 'acme/data', 0, 'success', 1, 1795860191.238629, 1795860192.9493983, 'inline', NULL, 'study=Study(...)', '20261128T100252-c92af7:0ecfe9ea176b5d505dc2afd3782538fa');
INSERT INTO public.ledger_instances VALUES (10, 'acme/logistic', 0, 'success', 1, 1795860192.9920263, 1795860194.9552608, 'inline', NULL, 'study=Study(...)', '9644ad022fb17941cd090bc407db22ec');
INSERT INTO public.ledger_instances VALUES (10, 'acme/tree', 1, 'success', 1, 1795860194.9973574, 1795860195.1164165, 'inline', NULL, 'study=Study(...)', '6016f13bb818d46bc89617088574f9d0');
INSERT INTO public.ledger_instances VALUES (9, 'acme', 0, 'success', 1, 1795860191.2235904, 1795860195.1186352, 'driver', NULL, 'work=CustomerPlan(''acme'')', NULL);
INSERT INTO public.ledger_instances VALUES (9, 'eu%2F7', 1, 'success', 1, 1795860195.1189678, 1795860195.2148802, 'driver', NULL, 'work=CustomerPlan(''eu/7'')', NULL);
INSERT INTO public.ledger_instances VALUES (8, 'eu%2F7/data', 0, 'success', 1, 1795860195.12314, 1795860195.174122, 'inline', NULL, 'study=Study(...)', '20261128T100252-c92af7:607931d44cb681f098e64819c3de5b80');
INSERT INTO public.ledger_instances VALUES (10, 'eu%2F7/logistic', 0, 'cached', 0, NULL, NULL, '', NULL, 'study=Study(...)', 'e3497faf90f67eb80c4a64ef8a9d1a1a');
INSERT INTO public.ledger_instances VALUES (10, 'eu%2F7/tree', 1, 'cached', 0, NULL, NULL, '', NULL, 'study=Study(...)', '5bf4524c2435975033636cf401689682');
INSERT INTO public.ledger_instances VALUES (11, '', -1, 'success', 1, 1795860195.2682745, 1795860205.764373, 'driver', NULL, '', NULL);
INSERT INTO public.ledger_instances VALUES (13, '0', 0, 'success', 1, 1795860222.8657944, 1795860222.8658087, 'inline', NULL, 'x=0', '5c8ac0b3ef5574e3a06ed22a73a26ec5');
INSERT INTO public.ledger_instances VALUES (13, '1', 1, 'success', 1, 1795860222.8662221, 1795860222.8662338, 'inline', NULL, 'x=1', '60eeae9a7d3426bea1a15a0366620d68');
INSERT INTO public.ledger_instances VALUES (13, '2', 2, 'success', 1, 1795860222.8664243, 1795860222.8664289, 'inline', NULL, 'x=2', 'b296f553313c77bf506f500e4a886f67');
INSERT INTO public.ledger_instances VALUES (13, '3', 3, 'success', 1, 1795860222.866556, 1795860222.8665605, 'inline', NULL, 'x=3', 'fccc04f09220832a59d791caaebc6c49');
INSERT INTO public.ledger_instances VALUES (12, '0', 0, 'success', 1, 1795860222.8669004, 1795860222.866906, 'inline', NULL, 'x=0', '20261128T100342-3deebe:418fa3fc1056a9b97fccadfd1eb83bf8');
INSERT INTO public.ledger_instances VALUES (12, '1', 1, 'success', 1, 1795860222.867011, 1795860222.8670146, 'inline', NULL, 'x=1', '20261128T100342-3deebe:0acfd98a80a87ccab1b612fa46c41844');
INSERT INTO public.ledger_instances VALUES (12, '2', 2, 'failed', 1, 1795860222.8671076, 1795860222.8720686, 'inline', 'ValueError: not fixed yet
Traceback (most recent call last):
  File "/srv/program/orchestrator/mapping/execution/invoke.py", line 183, in perform
    value = function(**fixed, **arguments)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "adding.py", line 11, in doubled
    raise ValueError("not fixed yet")
ValueError: not fixed yet', 'x=2', '20261128T100342-3deebe:6c95eea66abe35ff804be0f154a7b8da');
INSERT INTO public.ledger_instances VALUES (12, '3', 3, 'success', 1, 1795860222.8724778, 1795860222.8724856, 'inline', NULL, 'x=3', '20261128T100342-3deebe:af1c3bf4dd2a0a686132005cfdbad692');
INSERT INTO public.ledger_instances VALUES (14, '', -1, 'success', 1, 1795860222.873069, 1795860222.873126, 'inline', NULL, '', '20261128T100342-3deebe:3955f0a4d78169ca108eb7b029d1631f');
INSERT INTO public.ledger_instances VALUES (17, '0', 0, 'cached', 0, NULL, NULL, '', NULL, 'x=0', '5c8ac0b3ef5574e3a06ed22a73a26ec5');
INSERT INTO public.ledger_instances VALUES (17, '1', 1, 'cached', 0, NULL, NULL, '', NULL, 'x=1', '60eeae9a7d3426bea1a15a0366620d68');
INSERT INTO public.ledger_instances VALUES (17, '2', 2, 'cached', 0, NULL, NULL, '', NULL, 'x=2', 'b296f553313c77bf506f500e4a886f67');
INSERT INTO public.ledger_instances VALUES (17, '3', 3, 'cached', 0, NULL, NULL, '', NULL, 'x=3', 'fccc04f09220832a59d791caaebc6c49');
INSERT INTO public.ledger_instances VALUES (15, '0', 0, 'success', 1, 1795860252.493611, 1795860252.4936204, 'inline', NULL, 'x=0', '20261128T100412-59c383:418fa3fc1056a9b97fccadfd1eb83bf8');
INSERT INTO public.ledger_instances VALUES (15, '1', 1, 'success', 1, 1795860252.4938219, 1795860252.4938285, 'inline', NULL, 'x=1', '20261128T100412-59c383:0acfd98a80a87ccab1b612fa46c41844');
INSERT INTO public.ledger_instances VALUES (15, '2', 2, 'failed', 1, 1795860252.4939747, 1795860252.496549, 'inline', 'ValueError: not fixed yet
Traceback (most recent call last):
  File "/srv/program/orchestrator/mapping/execution/invoke.py", line 183, in perform
    value = function(**fixed, **arguments)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "adding.py", line 11, in doubled
    raise ValueError("not fixed yet")
ValueError: not fixed yet', 'x=2', '20261128T100412-59c383:6c95eea66abe35ff804be0f154a7b8da');
INSERT INTO public.ledger_instances VALUES (15, '3', 3, 'success', 1, 1795860252.496973, 1795860252.496983, 'inline', NULL, 'x=3', '20261128T100412-59c383:af1c3bf4dd2a0a686132005cfdbad692');
INSERT INTO public.ledger_instances VALUES (16, '', -1, 'upstream_failed', 0, NULL, NULL, '', NULL, '', NULL);
INSERT INTO public.ledger_lives VALUES (1, 'customer', 'acme', 1795860095.4098215, 1795860182.015013, 'added', 'active', '58e7623e669bcd0da90b2c2e019ffc61', '{"active":true,"data":{"form":"frame","seconds":0.0,"seed":1},"grids":{},"id":"acme","segment":"","tags":[]}');
INSERT INTO public.ledger_lives VALUES (2, 'customer', 'eu/7', 1795860095.4098215, NULL, 'added', 'active', '58e7623e669bcd0da90b2c2e019ffc61', '{"active":true,"data":{"form":"frame","seconds":0.0,"seed":2},"grids":{},"id":"eu/7","segment":"","tags":[]}');
INSERT INTO public.ledger_lives VALUES (3, 'model', 'logistic', 1795860095.4098215, NULL, 'added', 'active', '58e7623e669bcd0da90b2c2e019ffc61', '{"cost":1.0,"grid":[],"id":"logistic","params":{},"steps":[{"estimator":"sklearn.linear_model:LogisticRegression","name":"logisticregression"}],"when":{"min_rows":0,"tags":[]}}');
INSERT INTO public.ledger_lives VALUES (4, 'model', 'tree', 1795860095.4098215, NULL, 'added', 'active', '58e7623e669bcd0da90b2c2e019ffc61', '{"cost":1.0,"grid":[{"max_depth":[1,2]}],"id":"tree","params":{},"steps":[{"estimator":"sklearn.tree:DecisionTreeClassifier","name":"decisiontreeclassifier"}],"when":{"min_rows":0,"tags":[]}}');
INSERT INTO public.ledger_lives VALUES (5, 'customer', 'acme', 1795860182.015013, NULL, 'changed', 'active', '8d85acb311b22142b3a32aeef359616c', '{"active":true,"data":{"form":"frame","seconds":1.5,"seed":5},"grids":{},"id":"acme","segment":"","tags":[]}');
INSERT INTO public.ledger_nodes VALUES (1, '20261128T100126-ed93b3', 'evaluate@choose');
INSERT INTO public.ledger_nodes VALUES (2, '20261128T100126-ed93b3', 'choose');
INSERT INTO public.ledger_nodes VALUES (3, '20261128T100126-ed93b3', 'read_version@choose');
INSERT INTO public.ledger_nodes VALUES (4, '20261128T100126-ed93b3', 'publish');
INSERT INTO public.ledger_nodes VALUES (5, '20261128T100126-ed93b3', 'refit@deliver');
INSERT INTO public.ledger_nodes VALUES (6, '20261128T100126-ed93b3', 'deliver');
INSERT INTO public.ledger_nodes VALUES (7, '20261128T100126-ed93b3', 'deploy');
INSERT INTO public.ledger_nodes VALUES (8, '20261128T100252-c92af7', 'read_version@choose');
INSERT INTO public.ledger_nodes VALUES (9, '20261128T100252-c92af7', 'choose');
INSERT INTO public.ledger_nodes VALUES (10, '20261128T100252-c92af7', 'evaluate@choose');
INSERT INTO public.ledger_nodes VALUES (11, '20261128T100252-c92af7', 'publish');
INSERT INTO public.ledger_nodes VALUES (12, '20261128T100342-3deebe', 'doubled');
INSERT INTO public.ledger_nodes VALUES (13, '20261128T100342-3deebe', 'lasting');
INSERT INTO public.ledger_nodes VALUES (14, '20261128T100342-3deebe', 'total');
INSERT INTO public.ledger_nodes VALUES (15, '20261128T100412-59c383', 'doubled');
INSERT INTO public.ledger_nodes VALUES (16, '20261128T100412-59c383', 'total');
INSERT INTO public.ledger_nodes VALUES (17, '20261128T100412-59c383', 'lasting');
INSERT INTO public.ledger_owner VALUES (1, 'aging');
INSERT INTO public.ledger_promotions VALUES (1, '20261128T100126-ed93b3', 'acme', 1795860104.8659453, 1795860152.2801986, 'confirmed', '{"decision":{"flow_run":"20261128T100126-ed93b3","customer":{"id":"acme","data":{"seed":1,"form":"frame","seconds":0.0},"segment":"","tags":[],"active":true,"grids":{}},"best":{"trial":{"study":{"flow_run":"20261128T100126-ed93b3","snapshot":"58e7623e669bcd0da90b2c2e019ffc61","customer":{"id":"acme","data":{"seed":1,"form":"frame","seconds":0.0},"segment":"","tags":[],"active":true,"grids":{}},"model":{"id":"logistic","steps":[{"name":"logisticregression","estimator":"sklearn.linear_model:LogisticRegression"}],"params":{},"grid":[],"cost":1.0,"when":{"tags":[],"min_rows":0}},"evaluation":{"loader":"tests.support.synthetic:load","folds":3,"metrics":["roc_auc"],"metric":"roc_auc","direction":"maximize","seed":0,"task":"classification","allowed":["sklearn"],"scorers":{},"objectives":[],"slack":0.0,"constraints":[]},"search":{"strategy":"grid","settings":{},"max_parallel":null,"warm_start":"customer","placement":"auto","timeout":null,"seconds":null,"reproducible":true},"first":[],"known":[],"champion":false,"data_version":"9d384325ea29ea5c07082914c9d6f33f","follows_from":{"data":"0164c60919f3069e","params":"27494d9c37cca730","grid":"f71be624039f50ac","code":"204270985dc397f6","environment":"scikit-learn 1.9.1","folds":"13e8d24b98ed0e97","search":"4b6d10f159098f7e"},"fingerprint":"62a2d1d2e1561772e239ddc483735e17"},"number":0,"params":{},"budget":null},"state":"success","scores":{"roc_auc":[0.8035714285714286,0.8705357142857142,0.9151785714285714]},"fit_seconds":[0.041916913993190974,0.035582857999543194,0.052274351997766644],"score_seconds":[0.004667523993703071,0.0008387829948333092,0.0008167380001395941],"rows":90,"data_version":"9d384325ea29ea5c07082914c9d6f33f","started":1795860104.170228,"ended":1795860104.3367088,"worker":"a-host:15059","error":null},"incumbent":null,"promote":true,"reason":"first champion"},"run_id":"e7fcad87a4c144948da9b9b51dfb72aa","source":"@PROJECT@/artifacts/e7fcad87a4c144948da9b9b51dfb72aa/artifacts/model","at":1795860104.8659453,"state":"ready","files":[{"path":"MLmodel","size":922,"digest":"54d8f89f789e4eba105bad9b179cb52c"},{"path":"conda.yaml","size":188,"digest":"3d48fe593df2672a047eae2b09dabe7c"},{"path":"model.skops","size":10937,"digest":"381076abd4249a6abfc90658cc86947f"},{"path":"python_env.yaml","size":114,"digest":"5cdf847ad49d8c803c0f85cd9db9b049"},{"path":"requirements.txt","size":75,"digest":"f0e1aee548ff6d4bb5f2473b6f53f78c"}],"passed_over":[],"model_name":"aging.acme","version":"1","previous_version":null}');
INSERT INTO public.ledger_promotions VALUES (2, '20261128T100126-ed93b3', 'eu/7', 1795860104.8659453, 1795860152.2801986, 'confirmed', '{"decision":{"flow_run":"20261128T100126-ed93b3","customer":{"id":"eu/7","data":{"seed":2,"form":"frame","seconds":0.0},"segment":"","tags":[],"active":true,"grids":{}},"best":{"trial":{"study":{"flow_run":"20261128T100126-ed93b3","snapshot":"58e7623e669bcd0da90b2c2e019ffc61","customer":{"id":"eu/7","data":{"seed":2,"form":"frame","seconds":0.0},"segment":"","tags":[],"active":true,"grids":{}},"model":{"id":"logistic","steps":[{"name":"logisticregression","estimator":"sklearn.linear_model:LogisticRegression"}],"params":{},"grid":[],"cost":1.0,"when":{"tags":[],"min_rows":0}},"evaluation":{"loader":"tests.support.synthetic:load","folds":3,"metrics":["roc_auc"],"metric":"roc_auc","direction":"maximize","seed":0,"task":"classification","allowed":["sklearn"],"scorers":{},"objectives":[],"slack":0.0,"constraints":[]},"search":{"strategy":"grid","settings":{},"max_parallel":null,"warm_start":"customer","placement":"auto","timeout":null,"seconds":null,"reproducible":true},"first":[],"known":[],"champion":false,"data_version":"9289c59391426d2335b80383822b2b6a","follows_from":{"data":"24a4155f4053f380","params":"27494d9c37cca730","grid":"f71be624039f50ac","code":"204270985dc397f6","environment":"scikit-learn 1.9.1","folds":"13e8d24b98ed0e97","search":"4b6d10f159098f7e"},"fingerprint":"33097f31eb153f8b58f506d9fb17904c"},"number":0,"params":{},"budget":null},"state":"success","scores":{"roc_auc":[0.7410714285714286,0.8571428571428572,0.8526785714285715]},"fit_seconds":[0.04369021199818235,0.041895187001500744,0.037443100998643786],"score_seconds":[0.0008367959962924942,0.0008028770025703125,0.0008082100030151196],"rows":90,"data_version":"9289c59391426d2335b80383822b2b6a","started":1795860104.5339646,"ended":1795860104.699172,"worker":"a-host:15059","error":null},"incumbent":null,"promote":true,"reason":"first champion"},"run_id":"5236175f0ed4db4005ff672ab39735f5","source":"@PROJECT@/artifacts/5236175f0ed4db4005ff672ab39735f5/artifacts/model","at":1795860104.8659453,"state":"ready","files":[{"path":"MLmodel","size":922,"digest":"a94fad13d67b33df5d05a53fe8e27a57"},{"path":"conda.yaml","size":188,"digest":"3d48fe593df2672a047eae2b09dabe7c"},{"path":"model.skops","size":10937,"digest":"a92b7c681e8e4e1d50543e76a84e4dc4"},{"path":"python_env.yaml","size":114,"digest":"5cdf847ad49d8c803c0f85cd9db9b049"},{"path":"requirements.txt","size":75,"digest":"f0e1aee548ff6d4bb5f2473b6f53f78c"}],"passed_over":[],"model_name":"aging.eu-7-6e9613be7fce72d3","version":"1","previous_version":null}');
INSERT INTO public.ledger_promotions VALUES (3, '20261128T100252-c92af7', 'acme', 1795860195.2695754, NULL, 'intended', '{"decision":{"flow_run":"20261128T100252-c92af7","customer":{"id":"acme","data":{"seed":5,"form":"frame","seconds":1.5},"segment":"","tags":[],"active":true,"grids":{}},"best":{"trial":{"study":{"flow_run":"20261128T100252-c92af7","snapshot":"8d85acb311b22142b3a32aeef359616c","customer":{"id":"acme","data":{"seed":5,"form":"frame","seconds":1.5},"segment":"","tags":[],"active":true,"grids":{}},"model":{"id":"logistic","steps":[{"name":"logisticregression","estimator":"sklearn.linear_model:LogisticRegression"}],"params":{},"grid":[],"cost":1.0,"when":{"tags":[],"min_rows":0}},"evaluation":{"loader":"tests.support.synthetic:load","folds":3,"metrics":["roc_auc"],"metric":"roc_auc","direction":"maximize","seed":0,"task":"classification","allowed":["sklearn"],"scorers":{},"objectives":[],"slack":0.0,"constraints":[]},"search":{"strategy":"grid","settings":{},"max_parallel":null,"warm_start":"customer","placement":"auto","timeout":null,"seconds":null,"reproducible":true},"first":[{}],"known":[],"champion":false,"data_version":"f2776863ce798546ed6427f5c84b9ab8","follows_from":{"data":"e620916feb8ee575","params":"27494d9c37cca730","grid":"f71be624039f50ac","code":"204270985dc397f6","environment":"scikit-learn 1.9.1","folds":"13e8d24b98ed0e97","search":"4b6d10f159098f7e"},"fingerprint":"8519955470f7ab4ff42314a96f39cff8"},"number":0,"params":{},"budget":null},"state":"success","scores":{"roc_auc":[0.9022222222222223,0.9688888888888889,0.88]},"fit_seconds":[0.08214557499741204,0.06849630099895876,0.07138222799403593],"score_seconds":[0.006410005000361707,0.0009510239979135804,0.0010029249970102683],"rows":90,"data_version":"f2776863ce798546ed6427f5c84b9ab8","started":1795860194.6809447,"ended":1795860194.9550369,"worker":"a-host:15967","error":null},"incumbent":{"trial":{"study":{"flow_run":"20261128T100252-c92af7","snapshot":"8d85acb311b22142b3a32aeef359616c","customer":{"id":"acme","data":{"seed":5,"form":"frame","seconds":1.5},"segment":"","tags":[],"active":true,"grids":{}},"model":{"id":"logistic","steps":[{"name":"logisticregression","estimator":"sklearn.linear_model:LogisticRegression"}],"params":{},"grid":[],"cost":1.0,"when":{"tags":[],"min_rows":0}},"evaluation":{"loader":"tests.support.synthetic:load","folds":3,"metrics":["roc_auc"],"metric":"roc_auc","direction":"maximize","seed":0,"task":"classification","allowed":["sklearn"],"scorers":{},"objectives":[],"slack":0.0,"constraints":[]},"search":{"strategy":"grid","settings":{},"max_parallel":null,"warm_start":"customer","placement":"auto","timeout":null,"seconds":null,"reproducible":true},"first":[{}],"known":[],"champion":false,"data_version":"f2776863ce798546ed6427f5c84b9ab8","follows_from":{"data":"e620916feb8ee575","params":"27494d9c37cca730","grid":"f71be624039f50ac","code":"204270985dc397f6","environment":"scikit-learn 1.9.1","folds":"13e8d24b98ed0e97","search":"4b6d10f159098f7e"},"fingerprint":"8519955470f7ab4ff42314a96f39cff8"},"number":0,"params":{},"budget":null},"state":"success","scores":{"roc_auc":[0.9022222222222223,0.9688888888888889,0.88]},"fit_seconds":[0.08214557499741204,0.06849630099895876,0.07138222799403593],"score_seconds":[0.006410005000361707,0.0009510239979135804,0.0010029249970102683],"rows":90,"data_version":"f2776863ce798546ed6427f5c84b9ab8","started":1795860194.6809447,"ended":1795860194.9550369,"worker":"a-host:15967","error":null},"promote":true,"reason":"same parameters, fitted on new data"},"run_id":"35545a5963018d34eb78db70fb9c0e54","source":"","at":1795860195.2695754,"state":"intended","files":[],"passed_over":[],"model_name":"","version":"","previous_version":null}');
INSERT INTO public.ledger_results VALUES ('20261128T100126-ed93b3:eb43e40aabbcf43e1a2f09e5821c28f2', '\x80059524000000000000008c203964333834333235656132396561356330373038323931346339643666333366942e', 1795860104.79664);
INSERT INTO public.ledger_results VALUES ('73c88a4d4e21bd053f808eb4bba1fee0', '\x800595eb030000000000008c1c6f7263686573747261746f722e7265636f7264732e73747564696573948c0b547269616c526573756c749493942981942868008c05547269616c9493942981942868008c055374756479949394298194288c163230323631313238543130303132362d656439336233948c203538653736323365363639626364306461393062326332653031396666633631948c1a6f7263686573747261746f722e7265636f7264732e6c69737473948c08437573746f6d6572949394298194288c0461636d65947d94288c0473656564944b018c04666f726d948c056672616d65948c077365636f6e647394470000000000000000758c009429887d94749462680c8c094d6f64656c53706563949394298194288c086c6f67697374696394680c8c04537465709493942981948c126c6f67697374696372656772657373696f6e948c27736b6c6561726e2e6c696e6561725f6d6f64656c3a4c6f67697374696352656772657373696f6e9486946285947d9429473ff0000000000000680c8c0853656c6563746f72949394298194294b0086946274946268008c0a4576616c756174696f6e949394298194288c1c74657374732e737570706f72742e73796e7468657469633a6c6f6164944b038c07726f635f617563948594682e8c086d6178696d697a65944b008c0e636c617373696669636174696f6e948c07736b6c6561726e9485947d94294700000000000000002974946268008c06536561726368949394298194288c0467726964947d944e8c08637573746f6d6572948c046175746f944e4e887494622929898c203964333834333235656132396561356330373038323931346339643666333366947d94288c0464617461948c1030313634633630393139663330363965948c06706172616d73948c10323734393464396333376363613733309468398c1066373162653632343033396635306163948c04636f6465948c1032303432373039383564633339376636948c0b656e7669726f6e6d656e74948c127363696b69742d6c6561726e20312e392e31948c05666f6c6473948c1031336538643234623938656430653937948c06736561726368948c103462366431306631353930393866376594758c203632613264316432653135363137373265323339646463343833373335653137947494624b007d944e7494628c0773756363657373947d94682e473fe9b6db6db6db6e473febdb6db6db6db6473fed492492492492879473473fa576223d800000473fa237ea96d00000473faac3b4308000008794473f731e40ee800000473f4b7c38c4000000473f4ac34b8000000087944b5a683e4741dac2a9a20ae5044741dac2a9a2158ca38c08766d3a3135303539944e74946285942e', 1795860104.79664);
INSERT INTO public.ledger_results VALUES ('53814b45d4c2bd4604c880806f74b205', '\x800595a0040000000000008c1c6f7263686573747261746f722e7265636f7264732e73747564696573948c0b547269616c526573756c749493942981942868008c05547269616c9493942981942868008c055374756479949394298194288c163230323631313238543130303132362d656439336233948c203538653736323365363639626364306461393062326332653031396666633631948c1a6f7263686573747261746f722e7265636f7264732e6c69737473948c08437573746f6d6572949394298194288c0461636d65947d94288c0473656564944b018c04666f726d948c056672616d65948c077365636f6e647394470000000000000000758c009429887d94749462680c8c094d6f64656c53706563949394298194288c047472656594680c8c04537465709493942981948c166465636973696f6e74726565636c6173736966696572948c23736b6c6561726e2e747265653a4465636973696f6e54726565436c61737369666965729486946285947d947d948c096d61785f6465707468944b014b028694738594473ff0000000000000680c8c0853656c6563746f72949394298194294b0086946274946268008c0a4576616c756174696f6e949394298194288c1c74657374732e737570706f72742e73796e7468657469633a6c6f6164944b038c07726f635f61756394859468328c086d6178696d697a65944b008c0e636c617373696669636174696f6e948c07736b6c6561726e9485947d94294700000000000000002974946268008c06536561726368949394298194288c0467726964947d944e8c08637573746f6d6572948c046175746f944e4e887494622929898c203964333834333235656132396561356330373038323931346339643666333366947d94288c0464617461948c1030313634633630393139663330363965948c06706172616d73948c103732393462646263343866383366373894683d8c1036626534623437663137333463313836948c04636f6465948c1032303432373039383564633339376636948c0b656e7669726f6e6d656e74948c127363696b69742d6c6561726e20312e392e31948c05666f6c6473948c1031336538643234623938656430653937948c06736561726368948c103462366431306631353930393866376594758c203963306564323261376134336561373966353238396565373365383864636633947494624b007d9468264b01734e7494628c0773756363657373947d946832473fe2000000000000473fe4492492492492473fe2492492492492879473473f65daeff2000000473f623c0f1d000000473f625a1d020000008794473f82141bb8400000473f46af5dc0000000473f47e83e9800000087944b5a68424741dac2a9a215dc794741dac2a9a21884108c08766d3a3135303539944e74946268022981942868052981942868094b017d9468264b02734e74946268557d946832473fe5492492492493473fe5db6db6db6db7473fe8492492492492879473473f753f3360800000473f86cdfc77c00000473f9419588e0000008794473f4a700e04000000473f4869ae44000000473f4b2a059400000087944b5a68424741dac2a9a21885054741dac2a9a21b9d468c08766d3a3135303539944e74946286942e', 1795860104.79664);
INSERT INTO public.ledger_results VALUES ('20261128T100126-ed93b3:430d63a3932b62666ee9c09e0b6672d6', '\x80059524000000000000008c203932383963353933393134323664323333356238303338333832326232623661942e', 1795860104.79664);
INSERT INTO public.ledger_results VALUES ('e3497faf90f67eb80c4a64ef8a9d1a1a', '\x800595eb030000000000008c1c6f7263686573747261746f722e7265636f7264732e73747564696573948c0b547269616c526573756c749493942981942868008c05547269616c9493942981942868008c055374756479949394298194288c163230323631313238543130303132362d656439336233948c203538653736323365363639626364306461393062326332653031396666633631948c1a6f7263686573747261746f722e7265636f7264732e6c69737473948c08437573746f6d6572949394298194288c0465752f37947d94288c0473656564944b028c04666f726d948c056672616d65948c077365636f6e647394470000000000000000758c009429887d94749462680c8c094d6f64656c53706563949394298194288c086c6f67697374696394680c8c04537465709493942981948c126c6f67697374696372656772657373696f6e948c27736b6c6561726e2e6c696e6561725f6d6f64656c3a4c6f67697374696352656772657373696f6e9486946285947d9429473ff0000000000000680c8c0853656c6563746f72949394298194294b0086946274946268008c0a4576616c756174696f6e949394298194288c1c74657374732e737570706f72742e73796e7468657469633a6c6f6164944b038c07726f635f617563948594682e8c086d6178696d697a65944b008c0e636c617373696669636174696f6e948c07736b6c6561726e9485947d94294700000000000000002974946268008c06536561726368949394298194288c0467726964947d944e8c08637573746f6d6572948c046175746f944e4e887494622929898c203932383963353933393134323664323333356238303338333832326232623661947d94288c0464617461948c1032346134313535663430353366333830948c06706172616d73948c10323734393464396333376363613733309468398c1066373162653632343033396635306163948c04636f6465948c1032303432373039383564633339376636948c0b656e7669726f6e6d656e74948c127363696b69742d6c6561726e20312e392e31948c05666f6c6473948c1031336538643234623938656430653937948c06736561726368948c103462366431306631353930393866376594758c203333303937663331656231353366386235386635303664396662313739303463947494624b007d944e7494628c0773756363657373947d94682e473fe7b6db6db6db6e473feb6db6db6db6dc473feb492492492493879473473fa65e903f600000473fa5734934100000473fa32bbdfc8000008794473f4b6b8db8000000473f4a4f053c000000473f4a7bc1c400000087944b5a683e4741dac2a9a2222c7a4741dac2a9a22cbf3c8c08766d3a3135303539944e74946285942e', 1795860104.79664);
INSERT INTO public.ledger_results VALUES ('5bf4524c2435975033636cf401689682', '\x800595a0040000000000008c1c6f7263686573747261746f722e7265636f7264732e73747564696573948c0b547269616c526573756c749493942981942868008c05547269616c9493942981942868008c055374756479949394298194288c163230323631313238543130303132362d656439336233948c203538653736323365363639626364306461393062326332653031396666633631948c1a6f7263686573747261746f722e7265636f7264732e6c69737473948c08437573746f6d6572949394298194288c0465752f37947d94288c0473656564944b028c04666f726d948c056672616d65948c077365636f6e647394470000000000000000758c009429887d94749462680c8c094d6f64656c53706563949394298194288c047472656594680c8c04537465709493942981948c166465636973696f6e74726565636c6173736966696572948c23736b6c6561726e2e747265653a4465636973696f6e54726565436c61737369666965729486946285947d947d948c096d61785f6465707468944b014b028694738594473ff0000000000000680c8c0853656c6563746f72949394298194294b0086946274946268008c0a4576616c756174696f6e949394298194288c1c74657374732e737570706f72742e73796e7468657469633a6c6f6164944b038c07726f635f61756394859468328c086d6178696d697a65944b008c0e636c617373696669636174696f6e948c07736b6c6561726e9485947d94294700000000000000002974946268008c06536561726368949394298194288c0467726964947d944e8c08637573746f6d6572948c046175746f944e4e887494622929898c203932383963353933393134323664323333356238303338333832326232623661947d94288c0464617461948c1032346134313535663430353366333830948c06706172616d73948c103732393462646263343866383366373894683d8c1036626534623437663137333463313836948c04636f6465948c1032303432373039383564633339376636948c0b656e7669726f6e6d656e74948c127363696b69742d6c6561726e20312e392e31948c05666f6c6473948c1031336538643234623938656430653937948c06736561726368948c103462366431306631353930393866376594758c206438643737313935343464613961646339373562383838376264363534373463947494624b007d9468264b01734e7494628c0773756363657373947d946832473fe4b6db6db6db6e473fe4924924924924473fe4924924924924879473473f64ff3a21000000473f7d4e1a1d000000473f80a63998c000008794473f7a15e6be800000473f709768bd000000473f46213f1400000087944b5a68424741dac2a9a22d5cb94741dac2a9a22fcbf28c08766d3a3135303539944e74946268022981942868052981942868094b017d9468264b02734e74946268557d946832473fe3b6db6db6db6e473fe5db6db6db6db6473fe6924924924924879473473f65dc1dab000000473f7eb5049e000000473f8347ae25c000008794473f463f7204000000473f62b42f13000000473f4892978c00000087944b5a68424741dac2a9a22fccee4741dac2a9a2325cad8c08766d3a3135303539944e74946286942e', 1795860104.79664);
INSERT INTO public.ledger_results VALUES ('20261128T100252-c92af7:0ecfe9ea176b5d505dc2afd3782538fa', '\x80059524000000000000008c206632373736383633636537393835343665643634323766356338346239616238942e', 1795860194.9597096);
INSERT INTO public.ledger_results VALUES ('9644ad022fb17941cd090bc407db22ec', '\x800595ee030000000000008c1c6f7263686573747261746f722e7265636f7264732e73747564696573948c0b547269616c526573756c749493942981942868008c05547269616c9493942981942868008c055374756479949394298194288c163230323631313238543130303235322d633932616637948c203864383561636233313162323231343262336133326165656633353936313663948c1a6f7263686573747261746f722e7265636f7264732e6c69737473948c08437573746f6d6572949394298194288c0461636d65947d94288c0473656564944b058c04666f726d948c056672616d65948c077365636f6e647394473ff8000000000000758c009429887d94749462680c8c094d6f64656c53706563949394298194288c086c6f67697374696394680c8c04537465709493942981948c126c6f67697374696372656772657373696f6e948c27736b6c6561726e2e6c696e6561725f6d6f64656c3a4c6f67697374696352656772657373696f6e9486946285947d9429473ff0000000000000680c8c0853656c6563746f72949394298194294b0086946274946268008c0a4576616c756174696f6e949394298194288c1c74657374732e737570706f72742e73796e7468657469633a6c6f6164944b038c07726f635f617563948594682e8c086d6178696d697a65944b008c0e636c617373696669636174696f6e948c07736b6c6561726e9485947d94294700000000000000002974946268008c06536561726368949394298194288c0467726964947d944e8c08637573746f6d6572948c046175746f944e4e887494627d94859429898c206632373736383633636537393835343665643634323766356338346239616238947d94288c0464617461948c1065363230393136666562386565353735948c06706172616d73948c10323734393464396333376363613733309468398c1066373162653632343033396635306163948c04636f6465948c1032303432373039383564633339376636948c0b656e7669726f6e6d656e74948c127363696b69742d6c6561726e20312e392e31948c05666f6c6473948c1031336538643234623938656430653937948c06736561726368948c103462366431306631353930393866376594758c203835313939353534373066376162346666343233313461393666333963666638947494624b007d944e7494628c0773756363657373947d94682e473fecdf012345678a473fef0123456789ac473fec28f5c28f5c29879473473fb5077e0e200000473fb188f93cb00000473fb2461b0ec000008794473f7a41609d800000473f4f29c47c000000473f506e928400000087944b5a68404741dac2a9b8ab94994741dac2a9b8bd1f538c08766d3a3135393637944e74946285942e', 1795860195.2255251);
INSERT INTO public.ledger_results VALUES ('6016f13bb818d46bc89617088574f9d0', '\x800595a0040000000000008c1c6f7263686573747261746f722e7265636f7264732e73747564696573948c0b547269616c526573756c749493942981942868008c05547269616c9493942981942868008c055374756479949394298194288c163230323631313238543130303235322d633932616637948c203864383561636233313162323231343262336133326165656633353936313663948c1a6f7263686573747261746f722e7265636f7264732e6c69737473948c08437573746f6d6572949394298194288c0461636d65947d94288c0473656564944b058c04666f726d948c056672616d65948c077365636f6e647394473ff8000000000000758c009429887d94749462680c8c094d6f64656c53706563949394298194288c047472656594680c8c04537465709493942981948c166465636973696f6e74726565636c6173736966696572948c23736b6c6561726e2e747265653a4465636973696f6e54726565436c61737369666965729486946285947d947d948c096d61785f6465707468944b014b028694738594473ff0000000000000680c8c0853656c6563746f72949394298194294b0086946274946268008c0a4576616c756174696f6e949394298194288c1c74657374732e737570706f72742e73796e7468657469633a6c6f6164944b038c07726f635f61756394859468328c086d6178696d697a65944b008c0e636c617373696669636174696f6e948c07736b6c6561726e9485947d94294700000000000000002974946268008c06536561726368949394298194288c0467726964947d944e8c08637573746f6d6572948c046175746f944e4e887494622929898c206632373736383633636537393835343665643634323766356338346239616238947d94288c0464617461948c1065363230393136666562386565353735948c06706172616d73948c103732393462646263343866383366373894683d8c1036626534623437663137333463313836948c04636f6465948c1032303432373039383564633339376636948c0b656e7669726f6e6d656e74948c127363696b69742d6c6561726e20312e392e31948c05666f6c6473948c1031336538643234623938656430653937948c06736561726368948c103462366431306631353930393866376594758c203762343137346336613665383462396537343431333535656661353436626535947494624b007d9468264b01734e7494628c0773756363657373947d946832473fe7777777777778473fe8888888888889473fe7777777777777879473473f8c3383d4c00000473f8602f643800000473f6594c8010000008794473f4b0fea9c000000473f49f956d4000000473f47c3d23800000087944b5a68424741dac2a9b8c00d4e4741dac2a9b8c33bc58c08766d3a3135393637944e74946268022981942868052981942868094b017d9468264b02734e74946268557d946832473fe9be02468acf13473fe7c048d159e26b473fea61d950c83fb7879473473f7aead1e7800000473f646f6227000000473f62e5afea0000008794473f4b1e08d4000000473f81e6b070400000473f95788aa2a0000087944b5a68424741dac2a9b8c33cc34741dac2a9b8c770038c08766d3a3135393637944e74946286942e', 1795860195.2255251);
INSERT INTO public.ledger_results VALUES ('20261128T100252-c92af7:607931d44cb681f098e64819c3de5b80', '\x80059524000000000000008c203932383963353933393134323664323333356238303338333832326232623661942e', 1795860195.2255251);
INSERT INTO public.ledger_results VALUES ('5c8ac0b3ef5574e3a06ed22a73a26ec5', '\x80054b642e', 1795860222.8734982);
INSERT INTO public.ledger_results VALUES ('60eeae9a7d3426bea1a15a0366620d68', '\x80054b652e', 1795860222.8734982);
INSERT INTO public.ledger_results VALUES ('b296f553313c77bf506f500e4a886f67', '\x80054b662e', 1795860222.8734982);
INSERT INTO public.ledger_results VALUES ('fccc04f09220832a59d791caaebc6c49', '\x80054b672e', 1795860222.8734982);
INSERT INTO public.ledger_results VALUES ('20261128T100342-3deebe:418fa3fc1056a9b97fccadfd1eb83bf8', '\x80054b002e', 1795860222.8734982);
INSERT INTO public.ledger_results VALUES ('20261128T100342-3deebe:0acfd98a80a87ccab1b612fa46c41844', '\x80054b022e', 1795860222.8734982);
INSERT INTO public.ledger_results VALUES ('20261128T100342-3deebe:af1c3bf4dd2a0a686132005cfdbad692', '\x80054b062e', 1795860222.8734982);
INSERT INTO public.ledger_results VALUES ('20261128T100342-3deebe:3955f0a4d78169ca108eb7b029d1631f', '\x80054b082e', 1795860222.8734982);
INSERT INTO public.ledger_results VALUES ('20261128T100412-59c383:418fa3fc1056a9b97fccadfd1eb83bf8', '\x80054b002e', 1795860252.497409);
INSERT INTO public.ledger_results VALUES ('20261128T100412-59c383:0acfd98a80a87ccab1b612fa46c41844', '\x80054b022e', 1795860252.497409);
INSERT INTO public.ledger_results VALUES ('20261128T100412-59c383:af1c3bf4dd2a0a686132005cfdbad692', '\x80054b062e', 1795860252.497409);
INSERT INTO public.ledger_schema_version VALUES (1, 8);
INSERT INTO public.ledger_snapshots VALUES ('58e7623e669bcd0da90b2c2e019ffc61', '\x789cad51414ec33010fc8bcf5149824869ae70e484b85555e5da93d425b6abb54391a2fc9d7513d14ad00312277b776676c6eb41182d6af1f0886555dea3aa563ba5732d57f9ae5425f262d534aa2a4426acd7e882a8d7c324e97c6b42348aa110719c10272dae30424b08c178c72c70c7cae88909e1bd8324b7e88ce3737b9e5dbfccaad78b6adc64e228495a1e3f8c99682979afb9ab7c88a22e1679264e7b388645946d98406bdc96fc89ab7c1cb3397024e0b7b01aca24b384ab4eb271634037022752fd3c2bdeb878ba286e841d84959f5b8d63dc735564e566fc53fe44ee43f41674b57ea96c7a8d9651266d00b85b64a2f164196e489ef100e59d4e8316f998cad6c2b1b160ece22755341fbc8b483da6dce7277caf0efdddf28759f9cf660c110e5011f31707df93c22407eba75b83a8f689924cbe009defe6f4');
INSERT INTO public.ledger_snapshots VALUES ('8d85acb311b22142b3a32aeef359616c', '\x789c95914f4fc3300cc5bf4bced1e81f3a46af70e484b84dd3e4256e97d124939332a4aadf1d67add824d861a7c6fef9e5bdb883305ad462a55715a85d99e7bba2c81f8b5d096501884d593d2ff3a5125258afb10ba25e0f93a4f3ad09d12414221e27e2c0e215236c094330def11472c742f4c403e1b34320b7e88ce3eff67c77fd36abde2faa7123c511082c5f3f8c52b494bcd7dc553e4451e78b4c8ad31e1d6311a10d13b4c66dc99fb8cac651ce812321fe1756a332c92c71d5011b3706e946e03454bfce8a0f2e5e2e8a1b610761e17babf118f75ce5b2d88c77e54fc37d88de225dad1f944dafd11021690322772b291a4f96714370e60195773a24a76a4c656bd1b1b16076f10315cd17ef22528f53eef3137e5787fdc3d31fb3e2b659b6c8ee37634478401571fec5c1f7a4709223eba7538351edd34832f901f32be6b9');
INSERT INTO public.ledger_studies VALUES (1, '20261128T100126-ed93b3', 'acme/logistic', 'acme', 'logistic', false, 'roc_auc', 'maximize', '{"flow_run":"20261128T100126-ed93b3","snapshot":"58e7623e669bcd0da90b2c2e019ffc61","customer":{"id":"acme","data":{"seed":1,"form":"frame","seconds":0.0},"segment":"","tags":[],"active":true,"grids":{}},"model":{"id":"logistic","steps":[{"name":"logisticregression","estimator":"sklearn.linear_model:LogisticRegression"}],"params":{},"grid":[],"cost":1.0,"when":{"tags":[],"min_rows":0}},"evaluation":{"loader":"tests.support.synthetic:load","folds":3,"metrics":["roc_auc"],"metric":"roc_auc","direction":"maximize","seed":0,"task":"classification","allowed":["sklearn"],"scorers":{},"objectives":[],"slack":0.0,"constraints":[]},"search":{"strategy":"grid","settings":{},"max_parallel":null,"warm_start":"customer","placement":"auto","timeout":null,"seconds":null,"reproducible":true},"first":[],"known":[],"champion":false,"data_version":"9d384325ea29ea5c07082914c9d6f33f","follows_from":{"data":"0164c60919f3069e","params":"27494d9c37cca730","grid":"f71be624039f50ac","code":"204270985dc397f6","environment":"scikit-learn 1.9.1","folds":"13e8d24b98ed0e97","search":"4b6d10f159098f7e"},"fingerprint":"62a2d1d2e1561772e239ddc483735e17"}');
INSERT INTO public.ledger_studies VALUES (2, '20261128T100126-ed93b3', 'acme/tree', 'acme', 'tree', false, 'roc_auc', 'maximize', '{"flow_run":"20261128T100126-ed93b3","snapshot":"58e7623e669bcd0da90b2c2e019ffc61","customer":{"id":"acme","data":{"seed":1,"form":"frame","seconds":0.0},"segment":"","tags":[],"active":true,"grids":{}},"model":{"id":"tree","steps":[{"name":"decisiontreeclassifier","estimator":"sklearn.tree:DecisionTreeClassifier"}],"params":{},"grid":[{"max_depth":[1,2]}],"cost":1.0,"when":{"tags":[],"min_rows":0}},"evaluation":{"loader":"tests.support.synthetic:load","folds":3,"metrics":["roc_auc"],"metric":"roc_auc","direction":"maximize","seed":0,"task":"classification","allowed":["sklearn"],"scorers":{},"objectives":[],"slack":0.0,"constraints":[]},"search":{"strategy":"grid","settings":{},"max_parallel":null,"warm_start":"customer","placement":"auto","timeout":null,"seconds":null,"reproducible":true},"first":[],"known":[],"champion":false,"data_version":"9d384325ea29ea5c07082914c9d6f33f","follows_from":{"data":"0164c60919f3069e","params":"7294bdbc48f83f78","grid":"6be4b47f1734c186","code":"204270985dc397f6","environment":"scikit-learn 1.9.1","folds":"13e8d24b98ed0e97","search":"4b6d10f159098f7e"},"fingerprint":"9c0ed22a7a43ea79f5289ee73e88dcf3"}');
INSERT INTO public.ledger_studies VALUES (3, '20261128T100126-ed93b3', 'eu%2F7/logistic', 'eu/7', 'logistic', false, 'roc_auc', 'maximize', '{"flow_run":"20261128T100126-ed93b3","snapshot":"58e7623e669bcd0da90b2c2e019ffc61","customer":{"id":"eu/7","data":{"seed":2,"form":"frame","seconds":0.0},"segment":"","tags":[],"active":true,"grids":{}},"model":{"id":"logistic","steps":[{"name":"logisticregression","estimator":"sklearn.linear_model:LogisticRegression"}],"params":{},"grid":[],"cost":1.0,"when":{"tags":[],"min_rows":0}},"evaluation":{"loader":"tests.support.synthetic:load","folds":3,"metrics":["roc_auc"],"metric":"roc_auc","direction":"maximize","seed":0,"task":"classification","allowed":["sklearn"],"scorers":{},"objectives":[],"slack":0.0,"constraints":[]},"search":{"strategy":"grid","settings":{},"max_parallel":null,"warm_start":"customer","placement":"auto","timeout":null,"seconds":null,"reproducible":true},"first":[],"known":[],"champion":false,"data_version":"9289c59391426d2335b80383822b2b6a","follows_from":{"data":"24a4155f4053f380","params":"27494d9c37cca730","grid":"f71be624039f50ac","code":"204270985dc397f6","environment":"scikit-learn 1.9.1","folds":"13e8d24b98ed0e97","search":"4b6d10f159098f7e"},"fingerprint":"33097f31eb153f8b58f506d9fb17904c"}');
INSERT INTO public.ledger_studies VALUES (4, '20261128T100126-ed93b3', 'eu%2F7/tree', 'eu/7', 'tree', false, 'roc_auc', 'maximize', '{"flow_run":"20261128T100126-ed93b3","snapshot":"58e7623e669bcd0da90b2c2e019ffc61","customer":{"id":"eu/7","data":{"seed":2,"form":"frame","seconds":0.0},"segment":"","tags":[],"active":true,"grids":{}},"model":{"id":"tree","steps":[{"name":"decisiontreeclassifier","estimator":"sklearn.tree:DecisionTreeClassifier"}],"params":{},"grid":[{"max_depth":[1,2]}],"cost":1.0,"when":{"tags":[],"min_rows":0}},"evaluation":{"loader":"tests.support.synthetic:load","folds":3,"metrics":["roc_auc"],"metric":"roc_auc","direction":"maximize","seed":0,"task":"classification","allowed":["sklearn"],"scorers":{},"objectives":[],"slack":0.0,"constraints":[]},"search":{"strategy":"grid","settings":{},"max_parallel":null,"warm_start":"customer","placement":"auto","timeout":null,"seconds":null,"reproducible":true},"first":[],"known":[],"champion":false,"data_version":"9289c59391426d2335b80383822b2b6a","follows_from":{"data":"24a4155f4053f380","params":"7294bdbc48f83f78","grid":"6be4b47f1734c186","code":"204270985dc397f6","environment":"scikit-learn 1.9.1","folds":"13e8d24b98ed0e97","search":"4b6d10f159098f7e"},"fingerprint":"d8d7719544da9adc975b8887bd65474c"}');
INSERT INTO public.ledger_studies VALUES (5, '20261128T100252-c92af7', 'acme/logistic', 'acme', 'logistic', false, 'roc_auc', 'maximize', '{"flow_run":"20261128T100252-c92af7","snapshot":"8d85acb311b22142b3a32aeef359616c","customer":{"id":"acme","data":{"seed":5,"form":"frame","seconds":1.5},"segment":"","tags":[],"active":true,"grids":{}},"model":{"id":"logistic","steps":[{"name":"logisticregression","estimator":"sklearn.linear_model:LogisticRegression"}],"params":{},"grid":[],"cost":1.0,"when":{"tags":[],"min_rows":0}},"evaluation":{"loader":"tests.support.synthetic:load","folds":3,"metrics":["roc_auc"],"metric":"roc_auc","direction":"maximize","seed":0,"task":"classification","allowed":["sklearn"],"scorers":{},"objectives":[],"slack":0.0,"constraints":[]},"search":{"strategy":"grid","settings":{},"max_parallel":null,"warm_start":"customer","placement":"auto","timeout":null,"seconds":null,"reproducible":true},"first":[{}],"known":[],"champion":false,"data_version":"f2776863ce798546ed6427f5c84b9ab8","follows_from":{"data":"e620916feb8ee575","params":"27494d9c37cca730","grid":"f71be624039f50ac","code":"204270985dc397f6","environment":"scikit-learn 1.9.1","folds":"13e8d24b98ed0e97","search":"4b6d10f159098f7e"},"fingerprint":"8519955470f7ab4ff42314a96f39cff8"}');
INSERT INTO public.ledger_studies VALUES (6, '20261128T100252-c92af7', 'acme/tree', 'acme', 'tree', false, 'roc_auc', 'maximize', '{"flow_run":"20261128T100252-c92af7","snapshot":"8d85acb311b22142b3a32aeef359616c","customer":{"id":"acme","data":{"seed":5,"form":"frame","seconds":1.5},"segment":"","tags":[],"active":true,"grids":{}},"model":{"id":"tree","steps":[{"name":"decisiontreeclassifier","estimator":"sklearn.tree:DecisionTreeClassifier"}],"params":{},"grid":[{"max_depth":[1,2]}],"cost":1.0,"when":{"tags":[],"min_rows":0}},"evaluation":{"loader":"tests.support.synthetic:load","folds":3,"metrics":["roc_auc"],"metric":"roc_auc","direction":"maximize","seed":0,"task":"classification","allowed":["sklearn"],"scorers":{},"objectives":[],"slack":0.0,"constraints":[]},"search":{"strategy":"grid","settings":{},"max_parallel":null,"warm_start":"customer","placement":"auto","timeout":null,"seconds":null,"reproducible":true},"first":[],"known":[],"champion":false,"data_version":"f2776863ce798546ed6427f5c84b9ab8","follows_from":{"data":"e620916feb8ee575","params":"7294bdbc48f83f78","grid":"6be4b47f1734c186","code":"204270985dc397f6","environment":"scikit-learn 1.9.1","folds":"13e8d24b98ed0e97","search":"4b6d10f159098f7e"},"fingerprint":"7b4174c6a6e84b9e7441355efa546be5"}');
INSERT INTO public.ledger_trials VALUES (1, 0, 'e7fcad87a4c144948da9b9b51dfb72aa', 'success', 0.8630952380952381, 0.13609716897917679, '{}', NULL, '{"roc_auc":[0.8035714285714286,0.8705357142857142,0.9151785714285714]}', '[0.041916913993190974,0.035582857999543194,0.052274351997766644]', '[0.004667523993703071,0.0008387829948333092,0.0008167380001395941]', 90, '9d384325ea29ea5c07082914c9d6f33f', 1795860104.170228, 1795860104.3367088, 'a-host:15059', NULL, 1795860121.8567526);
INSERT INTO public.ledger_trials VALUES (2, 0, '89e113669e37506724d8f82d1b2fa866', 'success', 0.5892857142857143, 0.017383311002049595, '{"max_depth":1}', NULL, '{"roc_auc":[0.5625,0.6339285714285714,0.5714285714285714]}', '[0.00266787399596069,0.0022259040051721968,0.002240235000499524]', '[0.008827416000713129,0.0006922920001670718,0.0007295899995369837]', 90, '9d384325ea29ea5c07082914c9d6f33f', 1795860104.3415816, 1795860104.3830605, 'a-host:15059', NULL, 1795860121.8567693);
INSERT INTO public.ledger_trials VALUES (2, 1, '4b45257f1a02b7ab4ca2ae42916ec495', 'success', 0.7023809523809524, 0.038331056995957624, '{"max_depth":2}', NULL, '{"roc_auc":[0.6651785714285715,0.6830357142857143,0.7589285714285714]}', '[0.005187226000998635,0.011135075001220684,0.019627936999313533]', '[0.0008068149982136674,0.000745019999158103,0.0008289839970530011]', 90, '9d384325ea29ea5c07082914c9d6f33f', 1795860104.3831189, 1795860104.4314742, 'a-host:15059', NULL, 1795860121.85678);
INSERT INTO public.ledger_trials VALUES (3, 0, '5236175f0ed4db4005ff672ab39735f5', 'success', 0.8169642857142857, 0.1254763830002048, '{}', NULL, '{"roc_auc":[0.7410714285714286,0.8571428571428572,0.8526785714285715]}', '[0.04369021199818235,0.041895187001500744,0.037443100998643786]', '[0.0008367959962924942,0.0008028770025703125,0.0008082100030151196]', 90, '9289c59391426d2335b80383822b2b6a', 1795860104.5339646, 1795860104.699172, 'a-host:15059', NULL, 1795860121.8567903);
INSERT INTO public.ledger_trials VALUES (4, 0, '3b2624530c92bc6709fa3b2b7caa0364', 'success', 0.644345238095238, 0.0289417570020305, '{"max_depth":1}', NULL, '{"roc_auc":[0.6473214285714286,0.6428571428571428,0.6428571428571428]}', '[0.0025631079988670535,0.007154562001232989,0.008129549001751002]', '[0.0063685429995530285,0.004050645002280362,0.0006753499983460642]', 90, '9289c59391426d2335b80383822b2b6a', 1795860104.7087843, 1795860104.7468228, 'a-host:15059', NULL, 1795860121.8568058);
INSERT INTO public.ledger_trials VALUES (4, 1, 'f6cda81373b1695c3ab2ce1508641f51', 'success', 0.6681547619047619, 0.023291380995942745, '{"max_depth":2}', NULL, '{"roc_auc":[0.6160714285714286,0.6830357142857142,0.7053571428571428]}', '[0.0026684359982027672,0.007496851001633331,0.009414063002623152]', '[0.0006789499966544099,0.002283183996041771,0.000749897000787314]', 90, '9289c59391426d2335b80383822b2b6a', 1795860104.746883, 1795860104.7869065, 'a-host:15059', NULL, 1795860121.856818);
INSERT INTO public.ledger_trials VALUES (5, 0, '35545a5963018d34eb78db70fb9c0e54', 'success', 0.9170370370370371, 0.23038805798569229, '{}', NULL, '{"roc_auc":[0.9022222222222223,0.9688888888888889,0.88]}', '[0.08214557499741204,0.06849630099895876,0.07138222799403593]', '[0.006410005000361707,0.0009510239979135804,0.0010029249970102683]', 90, 'f2776863ce798546ed6427f5c84b9ab8', 1795860194.6809447, 1795860194.9550369, 'a-host:15967', NULL, 1795860205.9004712);
INSERT INTO public.ledger_trials VALUES (6, 0, 'f4d92f074bd9b367e689509dd03aa0c3', 'success', 0.7444444444444445, 0.029496172996005043, '{"max_depth":1}', NULL, '{"roc_auc":[0.7333333333333334,0.7666666666666667,0.7333333333333333]}', '[0.013770131998171564,0.010747837004601024,0.0026344209982198663]', '[0.0008258719972218387,0.0007926629987196065,0.0007252479990711436]', 90, 'f2776863ce798546ed6427f5c84b9ab8', 1795860195.000812, 1795860195.050523, 'a-host:15967', NULL, 1795860205.900488);
INSERT INTO public.ledger_trials VALUES (6, 1, '9f55f5ef68f7a61a596c472ba358fb32', 'success', 0.7903703703703703, 0.04190888799348613, '{"max_depth":2}', NULL, '{"roc_auc":[0.8044444444444444,0.7422222222222222,0.8244444444444444]}', '[0.006571597994479816,0.0024945179975475185,0.0023067889997037128]', '[0.0008275549989775755,0.008740786004636902,0.020967641998140607]', 90, 'f2776863ce798546ed6427f5c84b9ab8', 1795860195.0505836, 1795860195.1162117, 'a-host:15967', NULL, 1795860205.9004998);
SELECT pg_catalog.setval('public.ledger_fetches_id_seq', 2, true);
SELECT pg_catalog.setval('public.ledger_lives_id_seq', 5, true);
SELECT pg_catalog.setval('public.ledger_nodes_id_seq', 17, true);
SELECT pg_catalog.setval('public.ledger_promotions_id_seq', 3, true);
SELECT pg_catalog.setval('public.ledger_studies_id_seq', 6, true);
ALTER TABLE ONLY public.ledger_fetches
    ADD CONSTRAINT ledger_fetches_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_flow_runs
    ADD CONSTRAINT ledger_flow_runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_identity
    ADD CONSTRAINT ledger_identity_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_instances
    ADD CONSTRAINT ledger_instances_pkey PRIMARY KEY (node, key);
ALTER TABLE ONLY public.ledger_leases
    ADD CONSTRAINT ledger_leases_pkey PRIMARY KEY (flow);
ALTER TABLE ONLY public.ledger_lives
    ADD CONSTRAINT ledger_lives_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_logs
    ADD CONSTRAINT ledger_logs_pkey PRIMARY KEY (node, key, attempt);
ALTER TABLE ONLY public.ledger_nodes
    ADD CONSTRAINT ledger_nodes_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_owner
    ADD CONSTRAINT ledger_owner_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_promotions
    ADD CONSTRAINT ledger_promotions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_results
    ADD CONSTRAINT ledger_results_pkey PRIMARY KEY (fingerprint);
ALTER TABLE ONLY public.ledger_retirements
    ADD CONSTRAINT ledger_retirements_pkey PRIMARY KEY (customer);
ALTER TABLE ONLY public.ledger_schema_version
    ADD CONSTRAINT ledger_schema_version_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_snapshots
    ADD CONSTRAINT ledger_snapshots_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_studies
    ADD CONSTRAINT ledger_studies_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger_trials
    ADD CONSTRAINT ledger_trials_pkey PRIMARY KEY (study, number);
CREATE INDEX ledger_fetches_of_snapshot ON public.ledger_fetches USING btree (snapshot, id);
CREATE INDEX ledger_flow_runs_by_start ON public.ledger_flow_runs USING btree (started);
CREATE INDEX ledger_flow_runs_of_flow ON public.ledger_flow_runs USING btree (flow, started);
CREATE INDEX ledger_instances_by_state ON public.ledger_instances USING btree (node, state, idx);
CREATE INDEX ledger_instances_in_order ON public.ledger_instances USING btree (node, idx);
CREATE INDEX ledger_lives_of_key ON public.ledger_lives USING btree (kind, key, id);
CREATE UNIQUE INDEX ledger_lives_open ON public.ledger_lives USING btree (kind, key) WHERE (valid_to IS NULL);
CREATE UNIQUE INDEX ledger_nodes_of_flow_run ON public.ledger_nodes USING btree (flow_run, name);
CREATE INDEX ledger_promotions_of_customer ON public.ledger_promotions USING btree (customer, id, confirmed);
CREATE UNIQUE INDEX ledger_promotions_once ON public.ledger_promotions USING btree (flow_run, customer);
CREATE INDEX ledger_studies_of_customer ON public.ledger_studies USING btree (customer, model, id);
CREATE UNIQUE INDEX ledger_studies_of_flow_run ON public.ledger_studies USING btree (flow_run, key);
CREATE INDEX ledger_studies_of_model ON public.ledger_studies USING btree (model, id);
CREATE UNIQUE INDEX ledger_trials_by_run_id ON public.ledger_trials USING btree (run_id);
CREATE INDEX ledger_trials_unsent ON public.ledger_trials USING btree (study, number) WHERE (sent IS NULL);
ALTER TABLE ONLY public.ledger_fetches
    ADD CONSTRAINT ledger_fetches_snapshot_fkey FOREIGN KEY (snapshot) REFERENCES public.ledger_snapshots(id);
ALTER TABLE ONLY public.ledger_instances
    ADD CONSTRAINT ledger_instances_node_fkey FOREIGN KEY (node) REFERENCES public.ledger_nodes(id);
ALTER TABLE ONLY public.ledger_logs
    ADD CONSTRAINT ledger_logs_node_fkey FOREIGN KEY (node) REFERENCES public.ledger_nodes(id);
ALTER TABLE ONLY public.ledger_nodes
    ADD CONSTRAINT ledger_nodes_flow_run_fkey FOREIGN KEY (flow_run) REFERENCES public.ledger_flow_runs(id);
ALTER TABLE ONLY public.ledger_studies
    ADD CONSTRAINT ledger_studies_flow_run_fkey FOREIGN KEY (flow_run) REFERENCES public.ledger_flow_runs(id);
ALTER TABLE ONLY public.ledger_trials
    ADD CONSTRAINT ledger_trials_study_fkey FOREIGN KEY (study) REFERENCES public.ledger_studies(id);
