"""The executor: one node's hands. It takes the attempts assigned to it, step by step, and reports."""
