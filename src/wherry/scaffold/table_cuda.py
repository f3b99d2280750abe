"""Distributions that exist for CPU and GPU, and the megabytes that CUDA's wheels have when they are installed."""

# ruff: noqa: E501 - tables, read by their columns
from __future__ import annotations

__all__ = ["DEFAULT_CUDA", "GPU_ONLY", "MB", "VARIANTS"]

DEFAULT_CUDA = "cu126"

VARIANTS = {
    "torch": "", "torchvision": "", "torchaudio": "", "tensorflow": "cpu", "tensorflow-cpu": "cpu", "tensorflow-gpu": "cuda",
    "jax": "cpu", "onnxruntime": "cpu", "onnxruntime-gpu": "cuda", "faiss-cpu": "cpu", "faiss-gpu": "cuda",
    "paddlepaddle": "cpu", "paddlepaddle-gpu": "cuda", "cupy-cuda12x": "cuda", "vllm": "cuda", "llama-cpp-python": "cpu",
}  # fmt: skip
"""Name → the variant that its name alone says; "": its version and its index say it."""

GPU_ONLY = frozenset(
    {"onnxruntime-gpu", "tensorflow-gpu", "vllm", "flash-attn", "bitsandbytes", "xformers", "tensorrt", "cupy-cuda12x", "cupy-cuda11x",
     "faiss-gpu", "paddlepaddle-gpu", "deepspeed", "auto-gptq", "autoawq", "cudf-cu12", "cuml-cu12", "sglang", "tensorrt-llm", "pycuda",
     "nvidia-dali-cuda120"}
)  # fmt: skip

# What torch from PyPI requires on Linux, x86-64, unpacked; rounded, of the wheels for CUDA 12
MB = {
    "nvidia-cublas": 1060,
    "nvidia-cudnn": 1160,
    "nvidia-cusparse": 400,
    "nvidia-cusparselt": 280,
    "nvidia-nccl": 370,
    "nvidia-cusolver": 330,
    "nvidia-cufft": 280,
    "nvidia-curand": 160,
    "nvidia-cuda-nvrtc": 110,
    "nvidia-nvjitlink": 95,
    "nvidia-cuda-cupti": 50,
    "nvidia-cuda-runtime": 6,
    "nvidia-nvtx": 1,
    "nvidia-cufile": 4,
    "triton": 540,
}
