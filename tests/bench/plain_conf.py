"""gunicorn's settings of the bare and the naive app: stock threads, as many as connections."""

worker_class = "gthread"
workers = 1
worker_connections = 4000
# gunicorn as it comes: its parser in C is an extra, and the sinks' own choice.
http_parser = "python"
keepalive = 100
timeout = 60
graceful_timeout = 5
worker_tmp_dir = "/dev/shm"  # noqa: S108
control_socket_disable = True
loglevel = "error"
