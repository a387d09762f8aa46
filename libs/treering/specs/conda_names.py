"""Which PyPI package a conda package is: only names known to be the same library, and nothing guessed.

A conda name that is not here is refused, because a package of the same name on PyPI may be another one: conda's
``graphviz`` is the program ``dot``, that of PyPI only calls it.
"""

from __future__ import annotations

# The same library under the same name (normalised as PyPI does it).
SAME = frozenset({
    "absl-py", "accelerate", "adlfs", "aiohttp", "altair", "anyio", "attrs", "azure-identity", "azure-storage-blob",
    "beautifulsoup4", "black", "bokeh", "boto3", "botocore", "cachetools", "catboost", "certifi", "cffi",
    "charset-normalizer",
    "click", "cloudpickle", "colorama", "cryptography", "cython", "dask", "dask-labextension", "datasets",
    "deprecated", "diffusers", "dill", "distributed", "duckdb", "einops", "evaluate", "fastapi", "fastparquet",
    "filelock", "flask", "folium", "frozendict", "fs-gcsfs", "fsspec", "gcsfs", "gensim", "geopandas", "gitpython",
    "grpcio", "gunicorn", "gymnasium", "h2", "h5py", "holidays", "html5lib", "httpx", "huggingface-hub",
    "hydra-core", "hyperopt", "idna", "imageio", "imbalanced-learn", "ipykernel", "ipython", "ipywidgets",
    "isodate", "itsdangerous", "jinja2", "joblib", "jsonpickle", "jsonschema", "jupyter", "jupyter-server-proxy",
    "jupyterlab", "jupyterlab-widgets", "keras", "lap", "librosa", "lightgbm", "lightning", "llvmlite", "lxml",
    "markdown", "markupsafe", "matplotlib", "mlflow", "mlflow-skinny", "mlxtend", "more-itertools", "msgpack",
    "multidict", "mypy", "nbconvert", "nbformat", "nest-asyncio", "networkx", "nltk", "notebook", "numba", "numpy",
    "oauthlib", "onnx", "onnxruntime", "openpyxl", "optuna", "packaging", "pandas", "pandas-datareader",
    "papermill", "paramiko", "patsy", "pendulum", "pillow", "plotly", "pluggy", "pmdarima", "polars",
    "prompt-toolkit", "prophet", "protobuf", "psutil", "pyarrow", "pycocotools", "pycparser", "pycryptodome",
    "pydantic", "pydot", "pygments", "pyjokes", "pyjwt", "pymongo", "pymysql", "pyodbc", "pyparsing", "pyproj",
    "pyspark", "pytest", "python-dateutil", "python-dotenv", "pytorch-lightning", "pytz", "pywavelets", "pyyaml",
    "pyzmq", "rasterio", "ray", "regex", "requests", "responses", "retrying", "rich", "ruamel-yaml", "s3fs",
    "scikit-image", "scikit-learn", "scikit-learn-intelex", "scipy", "seaborn", "sentencepiece", "setuptools", "shap",
    "shapely",
    "simplejson", "six", "skops", "sktime", "smart-open", "snakeviz", "soupsieve", "spacy", "sqlalchemy",
    "sqlparse", "statsmodels", "sympy", "tabulate", "tenacity", "tensorboard", "tensorflow", "tensorflow-cpu",
    "termcolor", "textblob", "threadpoolctl", "tiktoken", "timm", "tokenizers", "toml", "tomli", "toolz",
    "torchaudio", "torchmetrics", "torchvision", "tornado", "tqdm", "traitlets", "transformers",
    "typing-extensions", "ujson", "umap-learn", "urllib3", "uvicorn", "websocket-client", "websockets", "werkzeug",
    "widgetsnbextension", "wordcloud", "wrapt", "xarray", "xgboost", "xlrd", "xlsxwriter", "xlwt", "yarl",
    "ydata-profiling", "zipp", "zstandard",
})  # fmt: skip

RENAMED = {
    "dask-core": "dask",
    "docker-py": "docker",
    "keras-gpu": "keras",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "psycopg2": "psycopg2-binary",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
}

# Nothing is installed for these: they make packages, or what they hold comes inside the wheels of PyPI.
NOT_NEEDED = frozenset({
    "blas", "bzip2", "ca-certificates", "cpuonly", "cuda", "cuda-runtime", "cuda-toolkit", "cudatoolkit",
    "cudnn", "icu", "intel-openmp", "ld-impl-linux-64", "libblas", "libcblas", "libexpat", "libffi", "libgcc",
    "libgcc-mutex", "libgcc-ng", "libgfortran", "libgfortran-ng", "libgfortran5", "libgomp", "liblapack", "liblzma",
    "libnsl", "libopenblas", "libsqlite", "libstdcxx", "libstdcxx-ng", "libuuid", "libxcrypt", "libxml2", "libyaml",
    "libzlib", "llvm-openmp", "lz4-c", "mkl", "nccl", "ncurses", "openblas", "openmp-mutex", "openssl", "pip",
    "pytorch-cuda", "readline", "sqlite", "tk", "tzdata", "wheel", "xz", "yaml", "zlib", "zstd",
})  # fmt: skip


# Of those, what people choose a version or a build of.
OF_THE_WHEELS = frozenset({
    "blas", "cpuonly", "cuda", "cuda-runtime", "cuda-toolkit", "cudatoolkit", "cudnn", "libblas", "libcblas",
    "liblapack", "libopenblas", "mkl", "nccl", "openblas", "pytorch-cuda",
})  # fmt: skip

# Programs, and languages of their own: no package of PyPI is in their place.
PROGRAMS = frozenset({
    "autoconf", "automake", "cmake", "compilers", "curl", "ffmpeg", "gcc", "gcc-linux-64", "git", "git-lfs", "go",
    "graphviz", "gxx", "gxx-linux-64", "imagemagick", "jq", "julia", "make", "mpi", "mpich", "nodejs", "openjdk",
    "openmpi", "perl", "poppler", "rust", "tesseract", "unzip", "wget", "zip",
})  # fmt: skip


def instead_of(conda_name: str) -> str:
    """What to do about a conda package that is refused."""
    if conda_name in PROGRAMS:
        return "it is a program: install it on the machines that jobs run on, and leave it out here"
    if conda_name.startswith(("r-", "bioconductor-")):
        return "it is for R: install R on the machines that jobs run on, and leave it out here"
    return "if it is, write it below 'pip:' as NAME==VERSION, else leave it out"


def pypi_name(conda_name: str) -> str | None:
    """The PyPI package of a conda package (name normalised): "" when none is needed, None when it is unknown."""
    if conda_name in NOT_NEEDED:
        return ""
    return RENAMED.get(conda_name) or (conda_name if conda_name in SAME else None)
