"""Model + batches -> epochs of metrics. Knows neither YAML, nor the layout of run folders, nor the names of norms."""
