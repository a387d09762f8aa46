"""The lines of MLflow's webhooks in the route table. They are the owner's: a job's script sends nobody anything."""

from __future__ import annotations

from treering_services.gateway.mlflow import webhook_messages as messages
from treering_services.gateway.mlflow import webhooks
from treering_services.gateway.policy import OWNER
from treering_services.gateway.route import Route

WH = "/api/2.0/mlflow/webhooks"
ONE = WH + "/{webhook_id}"

ROUTES: tuple[Route, ...] = (
    Route("POST", WH, webhooks.create, OWNER, "Create a webhook", request=messages.NewHook, response=messages.OneHook),
    Route("GET", WH, webhooks.list_hooks, OWNER, "Webhooks, the newest first", query=messages.HookPage,
          response=messages.Hooks),
    Route("GET", ONE, webhooks.get, OWNER, "A webhook", response=messages.OneHook),
    Route("PATCH", ONE, webhooks.update, OWNER, "Change a webhook", request=messages.HookChange,
          response=messages.OneHook),
    Route("DELETE", ONE, webhooks.delete, OWNER, "Delete a webhook"),
    Route("POST", ONE + "/test", webhooks.test, OWNER, "Send a webhook the example of an event",
          request=messages.HookTest, response=messages.TestAnswer),
)  # fmt: skip
