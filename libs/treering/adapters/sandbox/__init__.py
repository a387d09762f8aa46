"""Keeps the command of a job apart from the installation and from other jobs: the port and its three adapters.

``port`` says what a command may see (``Room``) and how a launch is wrapped (``Sandbox``). ``bubblewrap`` builds
namespaces, ``own_user`` gives each job a system user, ``unconfined`` does nothing; ``choose`` finds the best one that
works on this machine. ``machine_view`` and ``python_paths`` say which files of the machine a command needs.
``inside`` and ``ending`` run in the spawner, which starts without site-packages: standard library only.
"""
