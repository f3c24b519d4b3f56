"""The layout of huggingface_hub's cache: what snapshot_download leaves on the disk, from a server on this machine.

Writes hub_cache.json: the files of a repository, its commit, and every path of the cache after the download, with the
target of a link or the text of a file. Usage: python hub_cache.py
"""

import hashlib
import json
import os
import pathlib
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "owner/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REVISION = "refs/pr/1"
LARGE = "model.safetensors"
FILES = {
    "README.md": "# tiny\n",
    "additional_chat_templates/tools.jinja": "{{ tools }}",
    "config.json": "{}\n",
    "generation_config.json": "",
    LARGE: "not really weights",
}


def blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry(path):
    content = FILES[path].encode()
    if path != LARGE:
        return {"type": "file", "path": path, "size": len(content), "oid": blob(content)}
    sha256 = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n".encode()
    lfs = {"oid": sha256, "size": len(content), "pointerSize": len(pointer)}
    return {"type": "file", "path": path, "size": len(content), "oid": blob(pointer), "lfs": lfs}


class Hub(BaseHTTPRequestHandler):
    def answer(self, content, **headers):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.startswith(f"/api/models/{NAME}/revision/"):
            self.answer(json.dumps({"id": NAME, "sha": COMMIT}).encode())
        elif path == f"/api/models/{NAME}/tree/{COMMIT}":
            self.answer(json.dumps([entry(each) for each in FILES]).encode())
        else:
            file = path.removeprefix(f"/{NAME}/resolve/{COMMIT}/")
            if file not in FILES:  # huggingface_hub asks for more than it needs
                self.send_error(404)
                return
            listed = entry(file)
            tag = listed["lfs"]["oid"] if "lfs" in listed else listed["oid"]
            self.answer(FILES[file].encode(), ETag=f'"{tag}"', X_Repo_Commit=COMMIT)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def layout(root):
    paths = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            paths[name] = {"link": os.readlink(path)}
        elif path.is_file() and not name.startswith(".locks") and path.name != "CACHEDIR.TAG":
            text = path.read_text()
            paths[name] = {"json": json.loads(text)} if name.endswith(".json") else {"text": text}
    return paths


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    from huggingface_hub import __version__, snapshot_download

    with tempfile.TemporaryDirectory() as cache:
        snapshot_download(NAME, revision=REVISION, cache_dir=cache, token=False)
        golden = {
            "huggingface_hub": __version__,
            "name": NAME,
            "revision": REVISION,
            "commit": COMMIT,
            "large": LARGE,
            "files": FILES,
            "listing": [entry(each) for each in FILES],
            "cache": layout(pathlib.Path(cache)),
        }
    out = pathlib.Path(__file__).with_suffix(".json")
    out.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
