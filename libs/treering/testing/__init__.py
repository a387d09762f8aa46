"""What tests share: a sentence for decisions, example commands, contract suites, a real NATS server."""
