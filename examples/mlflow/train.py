"""Train, log, register and load again with an unmodified MLflow client: point MLFLOW_TRACKING_URI at treering.

    MLFLOW_TRACKING_URI=$(cat ~/.treering/url) MLFLOW_TRACKING_TOKEN=$(cat ~/.treering/token) python train.py

Needs mlflow and scikit-learn; with xgboost or keras (and jax, say) installed it trains with those too.
"""

from __future__ import annotations

import importlib.util
import os

import mlflow
import numpy as np
from mlflow import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

EXPERIMENT, MODEL = "iris", "iris-classifier"


def data() -> list[np.ndarray]:
    features, labels = load_iris(return_X_y=True, as_frame=True)
    parts: list[np.ndarray] = train_test_split(features, labels, test_size=0.3, random_state=0)
    return parts


def by_hand(parts: list[np.ndarray]) -> str:
    """Everything a script may log, each by its own call."""
    train, test, train_labels, test_labels = parts
    with mlflow.start_run(run_name="by hand", tags={"team": "flowers"}) as run:
        mlflow.log_params({"C": 0.5, "solver": "lbfgs"})
        mlflow.log_input(mlflow.data.from_pandas(train, name="iris-train"), context="training")
        for step in range(5):
            mlflow.log_metrics({"loss": 1 / (step + 1), "score": step / 5}, step=step)
        mlflow.log_metric("diverged", float("nan"))
        mlflow.log_text("it went well", "notes/summary.txt")
        mlflow.log_dict({"classes": 3}, "notes/facts.json")
        mlflow.set_tag("note", "first")
        with mlflow.start_run(run_name="a fold", nested=True):
            mlflow.log_metric("fold", 1)
        model = LogisticRegression(C=0.5, max_iter=200).fit(train, train_labels)
        mlflow.log_metric("accuracy", model.score(test, test_labels))
        mlflow.sklearn.log_model(model, name="model", input_example=train[:2], registered_model_name=MODEL)
    return str(run.info.run_id)


def by_autolog(parts: list[np.ndarray]) -> str:
    mlflow.sklearn.autolog(log_models=True)
    with mlflow.start_run(run_name="autolog") as run:
        LogisticRegression(C=1.0, max_iter=200).fit(parts[0], parts[2]).score(parts[1], parts[3])
    mlflow.sklearn.autolog(disable=True)
    return str(run.info.run_id)


def by_xgboost(parts: list[np.ndarray]) -> None:
    import xgboost

    mlflow.xgboost.autolog()
    with mlflow.start_run(run_name="xgboost"):
        settings = {"objective": "multi:softprob", "num_class": 3, "max_depth": 2, "seed": 0, "nthread": 1}
        xgboost.train(settings, xgboost.DMatrix(parts[0], label=parts[2]), num_boost_round=5,
                      evals=[(xgboost.DMatrix(parts[1], label=parts[3]), "test")], verbose_eval=False)  # fmt: skip
    mlflow.xgboost.autolog(disable=True)


def by_keras(parts: list[np.ndarray]) -> None:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    keras.utils.set_random_seed(0)
    mlflow.keras.autolog()
    with mlflow.start_run(run_name="keras"):
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, activation="softmax")])
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        held_back = (np.asarray(parts[1]), np.asarray(parts[3]))
        model.fit(np.asarray(parts[0]), np.asarray(parts[2]), epochs=5, validation_data=held_back, verbose=0)
    mlflow.keras.autolog(disable=True)


def registered(run_id: str, parts: list[np.ndarray]) -> None:
    """Name the model of a run, give it an alias, load it by the alias and from the run: the same predictions."""
    client = MlflowClient()
    version = mlflow.register_model(f"runs:/{run_id}/model", MODEL)
    client.set_registered_model_alias(MODEL, "champion", version.version)
    client.set_model_version_tag(MODEL, version.version, "checked", "yes")
    by_alias = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion").predict(parts[1])
    from_run = mlflow.sklearn.load_model(f"runs:/{run_id}/model").predict(parts[1])
    assert (by_alias == from_run).all()
    print("loaded again: the same", len(by_alias), "predictions")


def main() -> None:
    mlflow.set_experiment(EXPERIMENT)
    parts = data()
    hand, auto = by_hand(parts), by_autolog(parts)
    if importlib.util.find_spec("xgboost"):
        by_xgboost(parts)
    if importlib.util.find_spec("keras"):
        by_keras(parts)
    registered(auto, parts)
    better = mlflow.search_runs(
        experiment_names=[EXPERIMENT],
        filter_string="metrics.accuracy > 0.5 AND params.C = '0.5' AND tags.team = 'flowers'",
        order_by=["metrics.accuracy DESC"],
    )
    assert list(better.run_id) == [hand]
    folder = mlflow.artifacts.download_artifacts(run_id=hand, artifact_path="notes")
    print("artifacts in", folder, "and", len(mlflow.artifacts.list_artifacts(run_id=hand)), "at the run's root")


if __name__ == "__main__":
    main()
