"""The gateway: HTTP (and CloudEvents over NATS) at the edge; inside, commands to the registry and reads of views."""
