"""MLflow's REST API, served from the log: what an unmodified MLflow client talks to."""
