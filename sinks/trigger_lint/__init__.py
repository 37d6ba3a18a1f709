"""What is wrong with Triggers although Knative may accept them, and `sinks triggers lint`."""
