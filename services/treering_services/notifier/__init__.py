"""The notifier: tells webhooks of events, signed, again and again until they have taken them or it gives up."""
