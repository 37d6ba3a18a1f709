"""Knative's own programs on a real API server, in namespaces that the kernel takes away again."""
