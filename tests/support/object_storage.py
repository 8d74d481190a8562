"""A local S3 server for tests, and a proxy in front of it whose connections break.

python tests/support/object_storage.py FOLDER ADDRESS    copies it to s3:// (AWS_ENDPOINT_URL)
"""

import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

# Credentials for the server: it accepts any, but a client that writes must have some.
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}
# Headers about the transfer of a response, which the proxy sets itself.
OF_THE_TRANSFER = {"connection", "transfer-encoding", "date", "server"}


@contextmanager
def s3_server() -> Iterator[str]:
    """Start an empty S3 server (moto's) on a free port; yield its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        urllib.request.urlopen(urllib.request.Request(f"{address}/moto-api/reset", method="POST")).close()
        yield address
    finally:
        server.stop()


def s3(address: str) -> Any:
    """Return a client of the server that may write."""
    keys = {name.lower(): value for name, value in KEYS.items()}
    return boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)


def put(client: Any, address: str, content: bytes = b"content", access: str = "public-read") -> str:
    """Store one object at an s3:// address, whose bucket is created; return the address."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key=key, Body=content, ACL=access)
    return address


def put_folder(client: Any, folder: Path, address: str) -> int:
    """Copy a folder's files to an s3:// address, whose bucket is created and public; return their number."""
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    client.create_bucket(Bucket=bucket)
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    for file in files:
        key = "/".join(filter(None, (prefix.strip("/"), str(file.relative_to(folder)))))
        client.put_object(Bucket=bucket, Key=key, Body=file.read_bytes(), ACL="public-read")
    return len(files)


def objects(client: Any, address: str) -> dict[str, bytes]:
    """Return every object below an s3:// address by its path below it."""
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {
        key.removeprefix(f"{prefix}/"): client.get_object(Bucket=bucket, Key=key)["Body"].read()
        for key in keys
    }


class Broken:
    """The numbers of failures that the proxy still has for objects by their ending, and has had."""

    def __init__(self, ending: str, times: float, how: str):
        self.ending, self.times, self.how, self.done = ending, times, how, 0
        # Two jobs may fetch such an object at the same time.
        self.lock = threading.Lock()

    def now(self, path: str) -> bool:
        """Return whether this transfer fails."""
        with self.lock:
            if not path.partition("?")[0].endswith(self.ending) or self.done >= self.times:
                return False
            self.done += 1
            return True


@contextmanager
def breaking_proxy(server: str, broken: Broken) -> Iterator[str]:
    """Start a proxy in front of an S3 server, with failures: `cut` midway, `change` a byte, or `busy`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            # Without a type, urllib sends the body as a form, and the server does not store it.
            headers = {"Content-Type": "application/octet-stream", **headers}
            request = urllib.request.Request(server + self.path, body or None, headers, method=self.command)
            try:
                answer = urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                content, status, answer_headers = answer.read(), answer.status, answer.headers
            fails = self.command == "GET" and broken.now(self.path)
            if fails and broken.how == "busy":
                status, content = 503, b"<Error><Code>SlowDown</Code><Message>busy</Message></Error>"
            if fails and broken.how == "change":
                content = bytes([content[0] ^ 1]) + content[1:]
            self.send_response(status)
            for name, value in answer_headers.items() if status != 503 else ():
                if name.lower() not in OF_THE_TRANSFER | {"content-length"}:
                    self.send_header(name, value)
            length = answer_headers["Content-Length"] if self.command == "HEAD" else len(content)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if fails and broken.how == "cut":
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
            else:
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = relay  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}"
    finally:
        proxy.shutdown()
        proxy.server_close()


if __name__ == "__main__":
    import os

    source, target = sys.argv[1:]
    print(put_folder(s3(os.environ["AWS_ENDPOINT_URL"]), Path(source), target), "objects at", target)
