"""Connections of HTTP clients: how many there may be, how long each may take, who goes first when there are too many.

limits.py says how much of everything; protocol.py is uvicorn's protocol with our limits, and the only place that
reaches into uvicorn's private parts; connections.py knows every open connection, closes what is overdue and makes room;
peer.py is what a connection and its requests know of each other; accepting.py takes new connections, also when the
process has no descriptor left; shares.py bounds what one caller holds open at a time: streams, uploads, requests;
bodies.py lets the bodies of one caller be read a few at a time.
docs/operations.md has the numbers, docs/adr/0021 the reasons.
"""
