"""`sinks explain`: why an event goes where it goes, from files or a cluster's own YAML."""
