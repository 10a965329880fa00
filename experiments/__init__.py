"""Examples of a user's code: data loaders, scorers and flows that run without changes."""
