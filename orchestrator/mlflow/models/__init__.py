"""Champions as registered models: their versions and aliases.

    deployer           the seam
    bulk               many a transaction, in MLflow's tables
    client             one by one, through MLflow's client
    opening            a tracking address to the deployer that serves it best
    claims             the one driver that may move aliases
    model_names        a customer's registered model by name
    registered_models  what the database has of them

Touches MLflow; takes challengers; gives what was deployed; runs on the driver.
"""
