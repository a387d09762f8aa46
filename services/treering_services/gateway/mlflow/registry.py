"""The lines of MLflow's registry API in the route table."""

from __future__ import annotations

from treering_services.gateway.mlflow import logged_model_messages as logged_messages
from treering_services.gateway.mlflow import logged_model_searches
from treering_services.gateway.mlflow import logged_models as logged
from treering_services.gateway.mlflow import model_versions as versions
from treering_services.gateway.mlflow import registered_models as models
from treering_services.gateway.mlflow import registry_messages as messages
from treering_services.gateway.mlflow import registry_search as search
from treering_services.gateway.policy import CHANGE, CREATE, READ
from treering_services.gateway.route import Route

RM = "/api/2.0/mlflow/registered-models"
MV = "/api/2.0/mlflow/model-versions"

LM = "/api/2.0/mlflow/logged-models"

ROUTES: tuple[Route, ...] = (
    Route("GET", LM + "/{model_id}", logged.get, READ, "A logged model", query=logged_messages.Which,
          response=logged_messages.OneLoggedModel),
    Route("POST", LM + "/search", logged_model_searches.search_models, READ,
          "Logged models that match a filter", request=logged_messages.SearchLoggedModels,
          response=logged_messages.LoggedModels),
    Route("POST", LM, logged.create, CREATE, "Begin a logged model", request=logged_messages.NewLoggedModel,
          response=logged_messages.OneLoggedModel),
    Route("PATCH", LM + "/{model_id}", logged.finalize, CHANGE, "Say that a logged model is whole, or failed",
          request=logged_messages.Finalization, response=logged_messages.OneLoggedModel),
    Route("DELETE", LM + "/{model_id}", logged.delete, CHANGE, "Delete a logged model"),
    Route("POST", LM + "/{model_id}/params", logged.log_params, CHANGE, "Log parameters of a logged model",
          request=logged_messages.ModelParams),
    Route("PATCH", LM + "/{model_id}/tags", logged.set_tags, CHANGE, "Tag a logged model",
          request=logged_messages.ModelTags),
    Route("DELETE", LM + "/{model_id}/tags/{tag:path}", logged.delete_tag, CHANGE,
          "Take a tag off a logged model"),
    Route("GET", RM + "/get", models.get, READ, "A registered model", query=messages.NameOf,
          response=messages.OneModel),
    Route("GET", MV + "/get", versions.get, READ, "A model version", query=messages.VersionOf,
          response=messages.OneVersion),
    Route("GET", RM + "/alias", versions.get_by_alias, READ, "The version an alias points at",
          query=messages.AliasOf, response=messages.OneVersion),
    Route("GET", MV + "/get-download-uri", versions.download_uri, READ, "Where a version's files are",
          query=messages.VersionOf, response=messages.DownloadUri),
    Route("GET", RM + "/search", search.search_models, READ, "Registered models that match a filter",
          query=messages.Search, response=messages.Models),
    Route("GET", MV + "/search", search.search_versions, READ, "Model versions that match a filter",
          query=messages.Search, response=messages.Versions),
    Route("POST", RM + "/create", models.create, CREATE, "Register a model", request=messages.NewModel,
          response=messages.OneModel),
    Route("POST", RM + "/rename", models.rename_model, CHANGE, "Give a registered model another name",
          request=messages.Renaming, response=messages.OneModel),
    Route("PATCH", RM + "/update", models.update, CHANGE, "Describe a registered model",
          request=messages.Description, response=messages.OneModel),
    Route("DELETE", RM + "/delete", models.delete, CHANGE, "Delete a registered model and its versions",
          request=messages.NameOf),
    Route("GET", RM + "/get-latest-versions", models.latest_versions, READ, "The latest of each stage",
          query=messages.Stages, response=messages.Versions),
    Route("POST", RM + "/get-latest-versions", models.latest_versions, READ, "The latest of each stage",
          request=messages.Stages, response=messages.Versions),
    Route("POST", RM + "/set-tag", models.set_tag, CHANGE, "Tag a registered model", request=messages.ModelTag),
    Route("DELETE", RM + "/delete-tag", models.delete_tag, CHANGE, "Take a tag off a registered model",
          request=messages.ModelTag),
    Route("POST", RM + "/alias", versions.set_alias, CHANGE, "Point an alias at a version",
          request=messages.NewAlias),
    Route("DELETE", RM + "/alias", versions.delete_alias, CHANGE, "Remove an alias", request=messages.AliasOf),
    Route("POST", MV + "/create", versions.create, CREATE, "Register a version", request=messages.NewVersion,
          response=messages.OneVersion),
    Route("PATCH", MV + "/update", versions.update, CHANGE, "Describe a version",
          request=messages.VersionDescription, response=messages.OneVersion),
    Route("DELETE", MV + "/delete", versions.delete, CHANGE, "Delete a version", request=messages.VersionOf),
    Route("POST", MV + "/transition-stage", versions.transition, CHANGE, "Give a version another stage",
          request=messages.Transition, response=messages.OneVersion),
    Route("POST", MV + "/set-tag", versions.set_tag, CHANGE, "Tag a version", request=messages.VersionTag),
    Route("DELETE", MV + "/delete-tag", versions.delete_tag, CHANGE, "Take a tag off a version",
          request=messages.VersionTag),
)  # fmt: skip
