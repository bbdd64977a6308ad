# Two images, built from the checkout:
#
#     docker build --target cpu -t reelabel:cpu .
#     docker build --target gpu -t reelabel:gpu .
#
# docs/how-to/gpu.md shows how they are run. Packages come from the index that pip is set to; name
# another one, such as that of PyTorch's CPU builds, by --build-arg PIP_EXTRA_INDEX_URL=...

FROM python:3.12-slim AS cpu
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/reelabel
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN pip install -c constraints.txt '.[train,fetch]'
RUN useradd --create-home user && mkdir /work && chown user /work
USER user
WORKDIR /work
ENTRYPOINT ["reelabel"]

# PyTorch's packages bring CUDA with them; ONNX Runtime takes CUDA and cuDNN from the image.
FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04 AS gpu
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* && python3 -m venv /opt/venv
WORKDIR /opt/reelabel
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN pip install -c constraints.txt '.[train,fetch]' \
    && pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu>=1.20'
RUN useradd --create-home user && mkdir /work && chown user /work
USER user
WORKDIR /work
ENTRYPOINT ["reelabel"]
