"""Champions as MLflow registered models: their files, their versions, their aliases.

    names.py     experiment and customer -> registered model's name
    signatures.py, formats.py, files.py
                 a fitted estimator -> MLflow model files; run on WORKERS
    deployer.py  the seam: `Deployer`
    bulk.py, standing.py
                 many champions a transaction, through MLflow's own tables
    client.py    one champion after another, through MLflow's client
    opening.py   tracking address -> the deployer for it

Touches MLflow; the rest runs on the driver (law 5). MLflow takes more than a second to
import, so import the module you need, when you need it.
"""
