"""Which PyPI package a conda package is: only names known to be the same library, and nothing guessed.

A conda name that is not here is refused, because a package of the same name on PyPI may be another one: conda's
``graphviz`` is the program ``dot``, that of PyPI only calls it.
"""

from __future__ import annotations

# The same library under the same name (normalised as PyPI does it).
SAME = frozenset({
    "absl-py", "accelerate", "adlfs", "aiohttp", "altair", "azure-identity", "azure-storage-blob",
    "beautifulsoup4", "black", "bokeh", "boto3", "catboost", "click", "cloudpickle", "cython", "dask",
    "datasets", "diffusers", "distributed", "duckdb", "evaluate", "fastapi", "fastparquet", "flask",
    "fs-gcsfs", "fsspec", "gcsfs", "gensim", "h5py", "holidays", "httpx", "huggingface-hub", "hydra-core",
    "hyperopt", "imageio", "imbalanced-learn", "ipykernel", "ipython", "ipywidgets", "jinja2", "joblib",
    "jupyter", "jupyterlab", "keras", "lightgbm", "lxml", "matplotlib", "mlflow", "mlflow-skinny", "networkx",
    "nltk", "notebook", "numba", "numpy", "onnx", "onnxruntime", "openpyxl", "optuna", "packaging", "pandas",
    "pandas-datareader", "papermill", "patsy", "pillow", "plotly", "polars", "prophet", "protobuf", "psutil",
    "pyarrow", "pycocotools", "pydantic", "pydot", "pyjokes", "pymongo", "pyspark", "pytest",
    "python-dateutil", "python-dotenv", "pytorch-lightning", "pyyaml", "ray", "regex", "requests", "rich",
    "s3fs", "scikit-image", "scikit-learn", "scipy", "seaborn", "sentencepiece", "shap", "simplejson", "six",
    "skops", "snakeviz", "spacy", "sqlalchemy", "statsmodels", "sympy", "tensorboard", "tensorflow",
    "tensorflow-cpu", "tokenizers", "toolz", "torchaudio", "torchmetrics", "torchvision", "tqdm",
    "transformers", "typing-extensions", "ujson", "urllib3", "uvicorn", "wordcloud", "xarray", "xgboost",
    "xlrd", "zstandard",
})  # fmt: skip

RENAMED = {
    "dask-core": "dask",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "seaborn-base": "seaborn",
}

# Nothing is installed for these: they make packages, or what they hold comes inside the wheels of PyPI.
NOT_NEEDED = frozenset({
    "blas", "ca-certificates", "certifi", "cpuonly", "cudatoolkit", "intel-openmp", "libgcc-mutex",
    "libgcc-ng", "libgomp", "libstdcxx-ng", "mkl", "openmp-mutex", "openssl", "pip", "pytorch-cuda",
    "setuptools", "wheel",
})  # fmt: skip


def pypi_name(conda_name: str) -> str | None:
    """The PyPI package of a conda package (name normalised): "" when none is needed, None when it is unknown."""
    if conda_name in NOT_NEEDED:
        return ""
    return RENAMED.get(conda_name) or (conda_name if conda_name in SAME else None)
