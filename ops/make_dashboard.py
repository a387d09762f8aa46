"""Writes ops/grafana.json, a dashboard for what /metrics exports: python ops/make_dashboard.py after a change here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
OF = 'instance=~"$instance"'
WIDTH, HEIGHT = 24, 8


def quantile(share: float) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate(treering_http_request_seconds_bucket{{{OF}}}[5m])))"


# (title, kind, unit, [(query, legend)], width): a row each of what an operator asks in that order.
ROWS: tuple[tuple[str, tuple[tuple[str, str, str, tuple[tuple[str, str], ...], int], ...]], ...] = (
    (
        "Is it well?",
        (
            ("Parts that are ready", "stat", "bool_yes_no",
             ((f"min by (part) (treering_ready{{{OF}}})", "{{part}}"),), 12),
            ("Log damaged", "stat", "bool_yes_no", ((f"max(treering_log_damaged{{{OF}}})", "damaged"),), 4),
            ("Release", "stat", "string", ((f"treering_build_info{{{OF}}}", "{{version}}"),), 4),
            ("Nodes online", "stat", "none", ((f"max(treering_nodes_online{{{OF}}})", "nodes"),), 4),
        ),
    ),
    (
        "The log and its views",
        (
            ("Commits a second", "timeseries", "wps", ((f"rate(treering_log_position{{{OF}}}[5m])", "commits"),), 6),
            ("Positions behind the log", "timeseries", "none", ((f"treering_view_lag{{{OF}}}", "{{view}}"),), 6),
            ("Compared with the second copy", "timeseries", "none",
             ((f"treering_log_verified_position{{{OF}}}", "verified"), (f"treering_log_position{{{OF}}}", "head")), 6),
            ("Resources a view cannot show", "timeseries", "none",
             ((f"treering_view_incomplete{{{OF}}}", "{{view}}"),), 6),
        ),
    ),
    (
        "Work",
        (
            ("Jobs by status", "timeseries", "none", ((f"treering_jobs{{{OF}}}", "{{status}}"),), 12),
            ("Slots of the online nodes", "timeseries", "none", ((f"treering_node_slots{{{OF}}}", "slots"),), 12),
        ),
    ),
    (
        "Requests",
        (
            ("Requests a second by status", "timeseries", "reqps",
             ((f"sum by (status) (rate(treering_http_requests_total{{{OF}}}[5m]))", "{{status}}"),), 8),
            ("Seconds to answer, p50 and p99", "timeseries", "s",
             ((quantile(0.5), "p50"), (quantile(0.99), "p99")), 8),
            ("Open event and log streams", "timeseries", "none", ((f"treering_http_streams{{{OF}}}", "streams"),), 8),
        ),
    ),
    (
        "The machine",
        (
            ("Room left, and when clients are refused", "timeseries", "bytes",
             ((f"treering_disk_free_bytes{{{OF}}}", "free for {{store}}"),
              (f"treering_disk_needed_bytes{{{OF}}}", "needed by {{store}}")), 8),
            ("Memory of the gateway's process", "timeseries", "bytes",
             ((f"process_resident_memory_bytes{{{OF}}}", "resident"),), 8),
            ("Cores used by the gateway's process", "timeseries", "none",
             ((f"rate(process_cpu_seconds_total{{{OF}}}[5m])", "cores"),), 8),
        ),
    ),
)  # fmt: skip


def panels() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        made.append({"type": "row", "title": title, "collapsed": False, "panels": [], "id": len(made) + 1,
                     "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})  # fmt: skip
        x, y = 0, y + 1
        for name, kind, unit, queries, width in row:
            made.append(panel(len(made) + 1, name, kind, unit, queries, {"x": x, "y": y, "w": width, "h": HEIGHT}))
            x += width
        y += HEIGHT
    return made


def panel(
    id: int, title: str, kind: str, unit: str, queries: tuple[tuple[str, str], ...], place: dict[str, int]
) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + number), "expr": query, "legendFormat": legend, "datasource": DATASOURCE}
        for number, (query, legend) in enumerate(queries)
    ]
    found = {"id": id, "type": kind, "title": title, "datasource": DATASOURCE, "gridPos": place, "targets": targets,
             "fieldConfig": {"defaults": {"unit": unit}, "overrides": []}}  # fmt: skip
    if kind == "stat":
        text = "name" if unit == "string" else "value_and_name"
        found["options"] = {"textMode": text, "reduceOptions": {"calcs": ["lastNotNull"]}}
    return found


def dashboard() -> dict[str, Any]:
    variables = [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
        {"name": "instance", "type": "query", "datasource": DATASOURCE, "label": "Installation", "multi": True,
         "includeAll": True, "query": "label_values(treering_build_info, instance)", "refresh": 2},
    ]  # fmt: skip
    return {
        "title": "treering", "uid": "treering", "tags": ["treering"], "schemaVersion": 39, "version": 1,
        "timezone": "browser", "refresh": "30s", "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": variables}, "panels": panels(),
    }  # fmt: skip


if __name__ == "__main__":
    Path(__file__).with_name("grafana.json").write_text(json.dumps(dashboard(), indent=1) + "\n")
