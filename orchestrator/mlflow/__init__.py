"""MLflow in one place: the only package that imports it.

    addresses       the kind of a tracking address, and its password
    databases       MLflow's database read without MLflow
    health          whether an address answers
    experiments     the experiment that all runs go to
    initialization  a database in a file, created completely
    ownership       the ledger that an MLflow experiment belongs to
    tables          those of MLflow's tables that are written in bulk
    runs            trials as runs
    models          champions as registered models
    model_files     a fitted estimator's files, written and read back
    views           saved views of the web page
    ui              the web page, served

Touches MLflow, whose import takes seconds: modules that import it are imported late.
"""
