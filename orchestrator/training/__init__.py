"""Scoring and fitting: the work of workers between a registry row and a fitted model.

    data, imports                  the loader and its data; functions of the project
    dataset, folds                 data checked and split; one fold
    versions, parallel_looks       versions of data, looked up in parallel
    web_files                      the headers a web server sends for a file
    candidates                     a trial's estimator, and its steps
    evaluate, trials, budgets      a study; a trial; a share of its resources
    scorers, fast_metrics          metrics as scorers; several scored at once
    costs                          the costs of an estimator, measured as metrics are
    plain_scoring, shared_scoring  scores by scikit-learn; the same with shared work
    grown_ensembles                ensembles fitted once and grown
    cache, isolation               values that studies share; one BLAS thread, warnings counted
    refit                          the winner fitted on all rows
    fingerprint                    the inputs that a study's results depend on
    smoke_data                     made-up rows for trying scorers and serialization

Touches scikit-learn, numpy and pandas, in modules that only workers need to import; takes studies
and trials; gives results and fitted estimators.
"""
