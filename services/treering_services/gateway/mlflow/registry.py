"""The lines of MLflow's registry API in the route table."""

from __future__ import annotations

from treering_services.gateway.mlflow import logged_model_messages as logged_messages
from treering_services.gateway.mlflow import logged_model_searches
from treering_services.gateway.mlflow import logged_models as logged
from treering_services.gateway.mlflow import model_versions as versions
from treering_services.gateway.mlflow import registered_models as models
from treering_services.gateway.mlflow import registry_messages as messages
from treering_services.gateway.mlflow import registry_search as search
from treering_services.gateway.mlflow.place import OWNER_AND_JOB
from treering_services.gateway.route import Route

RM = "/api/2.0/mlflow/registered-models"
MV = "/api/2.0/mlflow/model-versions"

LM = "/api/2.0/mlflow/logged-models"

ROUTES: tuple[Route, ...] = (
    Route("GET", LM + "/{model_id}", logged.get, OWNER_AND_JOB, "A logged model", query=logged_messages.Which,
          response=logged_messages.OneLoggedModel),
    Route("POST", LM + "/search", logged_model_searches.search_models, OWNER_AND_JOB,
          "Logged models that match a filter", request=logged_messages.SearchLoggedModels,
          response=logged_messages.LoggedModels),
    Route("POST", LM, logged.create, OWNER_AND_JOB, "Begin a logged model", request=logged_messages.NewLoggedModel,
          response=logged_messages.OneLoggedModel),
    Route("PATCH", LM + "/{model_id}", logged.finalize, OWNER_AND_JOB, "Say that a logged model is whole, or failed",
          request=logged_messages.Finalization, response=logged_messages.OneLoggedModel),
    Route("DELETE", LM + "/{model_id}", logged.delete, OWNER_AND_JOB, "Delete a logged model"),
    Route("POST", LM + "/{model_id}/params", logged.log_params, OWNER_AND_JOB, "Log parameters of a logged model",
          request=logged_messages.ModelParams),
    Route("PATCH", LM + "/{model_id}/tags", logged.set_tags, OWNER_AND_JOB, "Tag a logged model",
          request=logged_messages.ModelTags),
    Route("DELETE", LM + "/{model_id}/tags/{tag:path}", logged.delete_tag, OWNER_AND_JOB,
          "Take a tag off a logged model"),
    Route("GET", RM + "/get", models.get, OWNER_AND_JOB, "A registered model", query=messages.Name,
          response=messages.OneModel),
    Route("GET", MV + "/get", versions.get, OWNER_AND_JOB, "A model version", query=messages.VersionOf,
          response=messages.OneVersion),
    Route("GET", RM + "/alias", versions.get_by_alias, OWNER_AND_JOB, "The version an alias points at",
          query=messages.AliasOf, response=messages.OneVersion),
    Route("GET", MV + "/get-download-uri", versions.download_uri, OWNER_AND_JOB, "Where a version's files are",
          query=messages.VersionOf, response=messages.DownloadUri),
    Route("GET", RM + "/search", search.search_models, OWNER_AND_JOB, "Registered models that match a filter",
          query=messages.Search, response=messages.Models),
    Route("GET", MV + "/search", search.search_versions, OWNER_AND_JOB, "Model versions that match a filter",
          query=messages.Search, response=messages.Versions),
    Route("POST", RM + "/create", models.create, OWNER_AND_JOB, "Register a model", request=messages.NewModel,
          response=messages.OneModel),
    Route("POST", RM + "/rename", models.rename_model, OWNER_AND_JOB, "Give a registered model another name",
          request=messages.Renaming, response=messages.OneModel),
    Route("PATCH", RM + "/update", models.update, OWNER_AND_JOB, "Describe a registered model",
          request=messages.Description, response=messages.OneModel),
    Route("DELETE", RM + "/delete", models.delete, OWNER_AND_JOB, "Delete a registered model and its versions",
          request=messages.Name),
    Route("GET", RM + "/get-latest-versions", models.latest_versions, OWNER_AND_JOB, "The latest of each stage",
          query=messages.Stages, response=messages.Versions),
    Route("POST", RM + "/get-latest-versions", models.latest_versions, OWNER_AND_JOB, "The latest of each stage",
          request=messages.Stages, response=messages.Versions),
    Route("POST", RM + "/set-tag", models.set_tag, OWNER_AND_JOB, "Tag a registered model", request=messages.ModelTag),
    Route("DELETE", RM + "/delete-tag", models.delete_tag, OWNER_AND_JOB, "Take a tag off a registered model",
          request=messages.ModelTag),
    Route("POST", RM + "/alias", versions.set_alias, OWNER_AND_JOB, "Point an alias at a version",
          request=messages.NewAlias),
    Route("DELETE", RM + "/alias", versions.delete_alias, OWNER_AND_JOB, "Remove an alias", request=messages.AliasOf),
    Route("POST", MV + "/create", versions.create, OWNER_AND_JOB, "Register a version", request=messages.NewVersion,
          response=messages.OneVersion),
    Route("PATCH", MV + "/update", versions.update, OWNER_AND_JOB, "Describe a version",
          request=messages.VersionDescription, response=messages.OneVersion),
    Route("DELETE", MV + "/delete", versions.delete, OWNER_AND_JOB, "Delete a version", request=messages.VersionOf),
    Route("POST", MV + "/transition-stage", versions.transition, OWNER_AND_JOB, "Give a version another stage",
          request=messages.Transition, response=messages.OneVersion),
    Route("POST", MV + "/set-tag", versions.set_tag, OWNER_AND_JOB, "Tag a version", request=messages.VersionTag),
    Route("DELETE", MV + "/delete-tag", versions.delete_tag, OWNER_AND_JOB, "Take a tag off a version",
          request=messages.VersionTag),
)  # fmt: skip
