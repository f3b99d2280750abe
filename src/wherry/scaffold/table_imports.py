"""Names of imports and of the distributions that give them, where the two differ; and what brings what along."""

# ruff: noqa: E501 - tables, read by their columns
from __future__ import annotations

__all__ = ["BRINGS", "DISTRIBUTIONS", "SAME"]

_PAIRS = """
sklearn scikit-learn | PIL pillow | cv2 opencv-python-headless opencv-python opencv-contrib-python opencv-contrib-python-headless
yaml pyyaml | bs4 beautifulsoup4 | dotenv python-dotenv | jose python-jose | jwt pyjwt | dateutil python-dateutil
skimage scikit-image | Crypto pycryptodome | OpenSSL pyopenssl | serial pyserial | magic python-magic | docx python-docx
pptx python-pptx | fitz pymupdf | pymupdf pymupdf | psycopg2 psycopg2-binary psycopg2 | MySQLdb mysqlclient | multipart python-multipart
google protobuf google-cloud-storage google-api-core google-auth | faiss faiss-cpu faiss-gpu | umap umap-learn | hdbscan hdbscan
lightning lightning | pytorch_lightning pytorch-lightning | sentence_transformers sentence-transformers | llama_cpp llama-cpp-python
whisper openai-whisper | onnx onnx | onnxruntime onnxruntime onnxruntime-gpu | tensorflow tensorflow tensorflow-cpu tf-nightly
keras keras tensorflow | tflite_runtime tflite-runtime | torch torch | clip clip openai-clip | timm timm | attr attrs | attrs attrs
pkg_resources setuptools | setuptools setuptools | ruamel ruamel-yaml | slugify python-slugify | telegram python-telegram-bot
discord discord-py | socketio python-socketio | engineio python-engineio | fasthtml python-fasthtml | flask_cors flask-cors
flask_sqlalchemy flask-sqlalchemy | rest_framework djangorestframework | corsheaders django-cors-headers | whitenoise whitenoise
environ django-environ | decouple python-decouple | pydantic_settings pydantic-settings | starlette starlette fastapi
pythonjsonlogger python-json-logger | prometheus_client prometheus-client | prometheus_fastapi_instrumentator prometheus-fastapi-instrumentator
git gitpython | github pygithub | nacl pynacl | usb pyusb | zmq pyzmq | Levenshtein levenshtein python-levenshtein
fuzzywuzzy fuzzywuzzy | win32api pywin32 | igraph igraph python-igraph | cairo pycairo | gi pygobject | kafka kafka-python
mpl_toolkits matplotlib | pylab matplotlib | huggingface_hub huggingface-hub | langchain_community langchain-community
langchain_openai langchain-openai | langchain_core langchain-core | xgboost xgboost xgboost-cpu | pydub pydub | sounddevice sounddevice
soundfile soundfile | speech_recognition speechrecognition | pytesseract pytesseract | moviepy moviepy | imageio imageio
segment_anything segment-anything | ultralytics ultralytics | mlflow mlflow mlflow-skinny | pyarrow pyarrow | duckdb duckdb
grpc grpcio | grpc_status grpcio-status | opentelemetry opentelemetry-api opentelemetry-sdk | jinja2 jinja2 | markdown markdown
typing_extensions typing-extensions | absl absl-py | flatbuffers flatbuffers | spacy spacy | en_core_web_sm en-core-web-sm
"""
DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    words[0]: tuple(words[1:]) for pair in _PAIRS.replace("\n", "|").split("|") if len(words := pair.split()) > 1
}
"""The first one is what to suggest."""

_BROUGHT = """
fastapi: starlette pydantic typing-extensions anyio | flask: werkzeug jinja2 click itsdangerous markupsafe
pandas: numpy python-dateutil pytz | scikit-learn: numpy scipy joblib threadpoolctl | scipy: numpy | matplotlib: numpy pillow
torch: typing-extensions jinja2 networkx sympy fsspec filelock setuptools | torchvision: torch numpy pillow | torchaudio: torch
transformers: numpy huggingface-hub tokenizers safetensors pyyaml requests tqdm packaging filelock regex
sentence-transformers: transformers torch numpy scikit-learn scipy huggingface-hub pillow tqdm | xgboost: numpy scipy
lightgbm: numpy scipy | catboost: numpy pandas matplotlib scipy | tensorflow: numpy keras h5py absl-py protobuf grpcio | keras: numpy h5py
onnxruntime: numpy protobuf | gradio: fastapi numpy pandas pillow pydantic httpx uvicorn starlette huggingface-hub jinja2 pyyaml
streamlit: numpy pandas pillow requests protobuf pyarrow tornado altair packaging | mlflow: pandas numpy flask scikit-learn pyyaml requests
opencv-python: numpy | opencv-python-headless: numpy | uvicorn: click h11 | httpx: anyio httpcore certifi idna
requests: urllib3 certifi idna charset-normalizer | litestar: msgspec anyio httpx click | starlette: anyio
bentoml: starlette uvicorn pydantic numpy httpx | spacy: numpy pydantic | ultralytics: torch torchvision opencv-python numpy pillow pyyaml
diffusers: huggingface-hub numpy pillow requests safetensors | django: asgiref sqlparse | aiohttp: yarl multidict attrs
langchain: pydantic pyyaml requests sqlalchemy langchain-core | openai: httpx pydantic anyio | boto3: botocore s3transfer
dash: flask plotly | plotly: packaging | litserve: fastapi uvicorn | chainlit: fastapi uvicorn starlette pydantic httpx
pydantic-settings: pydantic python-dotenv | accelerate: torch numpy safetensors huggingface-hub | shiny: starlette uvicorn
"""
BRINGS: dict[str, tuple[str, ...]] = {
    name.strip(): tuple(others.split())
    for entry in _BROUGHT.replace("\n", "|").split("|")
    if ":" in entry
    for name, _, others in [entry.partition(":")]
}
"""Distributions that always come with another, so that an import of them works."""

_SAME = """
accelerate aiofiles aiohttp altair annoy anthropic arq asyncpg bentoml bottle cachetools catboost celery click cloudpickle datasets
diffusers dramatiq einops evaluate falcon flask gensim gunicorn h5py httpx hypercorn joblib jsonschema kornia langchain lightgbm
litestar litserve loguru lxml matplotlib msgpack msgspec networkx nltk numba numexpr numpy openai openpyxl optuna orjson pandas peft
pika plotly polars psutil psycopg pydantic pymongo quart redis requests rich rq safetensors sanic scipy seaborn shap skops sqlalchemy
sqlmodel statsmodels streamlit sympy tenacity tiktoken tokenizers tornado torchaudio torchvision tqdm transformers trl typer uvicorn
waitress websockets
"""
SAME = frozenset(_SAME.split()) | frozenset(BRINGS)
"""Distributions that are called as what they give, so that their name is no guess."""
