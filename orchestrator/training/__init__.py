"""Scoring and fitting: what runs on workers between a registry row and a fitted model.

    data, imports                  the loader and its data; functions of the project
    dataset, folds                 data checked and split; one fold
    versions, parallel_looks       versions of data, looked at side by side
    web_files                      what a web server says of a file
    candidates                     a trial's estimator, and its steps
    evaluate, trials, budgets      a study; a trial; a share of its resources
    scorers, fast_metrics          metrics as scorers; several scored at once
    costs                          what an estimator costs, measured as metrics are
    plain_scoring, shared_scoring  scores as scikit-learn gives them; with shared work
    grown_ensembles                ensembles fitted once and grown
    cache, isolation               what studies share; one BLAS thread, warnings counted
    refit                          the winner fitted on all rows
    fingerprint                    what results follow from
    smoke_data                     made-up rows to try scorers and storing on

Touches scikit-learn, numpy and pandas, in modules that only workers need to import; takes studies
and trials; gives results and fitted estimators.
"""
