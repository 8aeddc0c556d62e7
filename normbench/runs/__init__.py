"""The only wiring: config -> data -> model -> train -> the run's folder."""
