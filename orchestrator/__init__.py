"""Trains a model per customer: mapped tasks on Dask, every trial in MLflow."""
