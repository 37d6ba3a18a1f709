"""`sinks feed`: page changes from a stream or a file to the shim, none lost. No app loads this."""
