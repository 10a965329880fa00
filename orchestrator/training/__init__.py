"""Scoring and fitting: what runs on workers between a registry row and a fitted model.

Touches scikit-learn, numpy and pandas, in modules that only workers need to import; takes studies
and trials; gives results and fitted estimators.
"""
