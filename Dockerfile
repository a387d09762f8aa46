# One image for every service: `docker run treering registry`, `... gateway`, as in compose.yaml.
FROM python:3.11-slim
WORKDIR /opt/treering
COPY pyproject.toml README.md LICENSE requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY libs libs
COPY services services
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
 && useradd --create-home --uid 1000 treering \
 && install -d -o treering -g treering -m 700 /var/lib/treering /var/lib/treering/nats
USER treering
ENV TREERING_HOME=/var/lib/treering
VOLUME /var/lib/treering
ENTRYPOINT ["python", "-P", "-m", "treering_services"]
