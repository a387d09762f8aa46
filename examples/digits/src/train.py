"""Train a classifier on scikit-learn's digits, one line a round, and leave model and scores behind."""

import argparse
import json
from pathlib import Path

import joblib
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--model-kind", choices=("boosting", "forest"), default="boosting")
parser.add_argument("--rounds", type=int, default=8)
parser.add_argument("--model-folder", type=Path, required=True)
options = parser.parse_args()

digits = load_digits()
train_x, test_x, train_y, test_y = train_test_split(
    digits.data, digits.target, test_size=0.25, random_state=7, stratify=digits.target
)
print(f"{len(train_x)} images to learn from, {len(test_x)} to test on, {digits.data.shape[1]} pixels each")

if options.model_kind == "boosting":
    model = HistGradientBoostingClassifier(max_iter=5, warm_start=True, random_state=7)
else:
    model = RandomForestClassifier(n_estimators=5, warm_start=True, random_state=7)

history = []
for round_number in range(1, options.rounds + 1):
    size = 5 * round_number
    model.set_params(**({"max_iter": size} if options.model_kind == "boosting" else {"n_estimators": size}))
    model.fit(train_x, train_y)
    accuracy = accuracy_score(test_y, model.predict(test_x))
    history.append({"round": round_number, "trees": size, "accuracy": round(accuracy, 4)})
    print(f"round {round_number}/{options.rounds}: {size} trees, accuracy {accuracy:.4f}")

options.model_folder.mkdir(parents=True, exist_ok=True)
joblib.dump(model, options.model_folder / "model.joblib")
Path("outputs").mkdir(exist_ok=True)
scores = {"history": history, "confusion": confusion_matrix(test_y, model.predict(test_x)).tolist()}
Path("outputs/scores.json").write_text(json.dumps(scores, indent=1))
print(f"done: accuracy {history[-1]['accuracy']}")
