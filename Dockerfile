# A container of anomaly with the engine of batch scans. NOT BUILT BY THE TESTS OF THIS PROJECT: try it before you rely on it.
#   docker build -t anomaly --build-arg COMMIT="$(git rev-parse HEAD)" .
#   docker run --rm -v "$PWD:/work" -w /work anomaly run --signal-region 3.3-3.7
FROM python:3.11-slim

# the smaller build of torch, without CUDA
ENV PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu \
    PIP_NO_CACHE_DIR=1 \
    OMP_NUM_THREADS=1

COPY . /src
# .git is not copied (.dockerignore), so that 'anomaly --version' has its commit from here
ARG COMMIT=""
RUN if [ -n "$COMMIT" ]; then \
        printf '{"commit": "%s", "is_changed": false}' "$COMMIT" > /src/anomaly_cli/build.json; \
    fi && \
    pip install -c /src/constraints.txt "/src[jets,parquet,scan]" && \
    rm -r /src

ENTRYPOINT ["anomaly"]
CMD ["--help"]
