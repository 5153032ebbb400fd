# The service as an image: `docker build -t tailrace .`
# With its embedded broker: docker run --init -p 127.0.0.1:8000:8000 -v tailrace:/data tailrace serve --host 0.0.0.0 --insecure
FROM denoland/deno:2.9.6

RUN mkdir /app /data && chown deno:deno /app /data
USER deno
WORKDIR /app

# Packages before sources, so that a change of the sources fetches nothing again.
COPY --chown=deno:deno deno.json deno.lock ./
RUN deno install --frozen
COPY --chown=deno:deno . .

ENV DATA_DIR=/data
EXPOSE 8000 9092
ENTRYPOINT ["deno", "run", "--cached-only", "--no-prompt", "--allow-net", "--allow-env", "--allow-read", "--allow-write", "main.ts"]
CMD ["serve"]
