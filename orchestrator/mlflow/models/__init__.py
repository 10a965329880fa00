"""Champions as registered models: their versions and aliases.

    deployer           the seam
    bulk               many in one transaction, in MLflow's tables
    client             one by one, through MLflow's client
    opening            a tracking address to the deployer that serves it best
    claims             the one driver that may move aliases
    model_names        the name of a customer's registered model
    registered_models  the registered models as the database has them

Touches MLflow; takes challengers; gives what was deployed; runs on the driver.
"""
