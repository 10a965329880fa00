"""From the ledger to MLflow: trials sent, champions delivered and deployed.

    session          the resources of the one driver: ledger, lease, MLflow
    mlflow_session   MLflow's runs and registered models, opened at the first use
    outbox           trials and promotions that MLflow lacks, sent
    background_sync  trials sent while workers work
    dispatch         orders for champions, and the progress of each
    refit_orders     the orders, and the answers of workers
    refit            a champion fitted on all rows and written, on a worker
    delivery         champions fitted, written and read back; else the next best
    delivery_flow    the part of a flow that delivers and deploys
    storability      whether models can be stored, checked beforehand
    sync             MLflow brought up to date without a flow run
    transfer         everything sent to a new MLflow or folder
    store_ownership  whether the stores are those the ledger has worked with

Touches MLflow through `mlflow`; takes decisions; gives promotions; runs on the driver.
"""
