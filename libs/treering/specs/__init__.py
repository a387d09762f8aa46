"""The YAML people write, and what treering understands of it: offline, without a server.

``validate.judge`` says what is wrong with a file of any kind; ``prepared.load_job`` reads a command job that
is to be submitted. These files belong to the person who runs the client: relative paths in them may climb
with ``..`` and are opened on her machine. Nothing here is for a service to call on a stranger's file.
"""
