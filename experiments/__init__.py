"""The user's side: data loaders and flows that run as they stand."""
