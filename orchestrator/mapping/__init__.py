"""Tasks, flows, expansion, engine, executors; knows nothing of models."""
