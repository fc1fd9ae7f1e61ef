"""A stand-in for the Hugging Face Hub: its HTTP API as huggingface_hub 2.4 calls it to upload.

Sources: hf_api.py, _commit_api.py and lfs.py of huggingface_hub 2.4; the Git LFS batch API.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

TOKENS = {"hf_writer": "write", "hf_reader": "read"}
Refusal = tuple[int, str]


@dataclass
class Repo:
    """A repository: {path: content}; of a large file the content is in the store."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0

    @property
    def sha(self) -> str:
        return hashlib.sha1(str(self.commits).encode()).hexdigest()


class Hub(ThreadingHTTPServer):
    """What it holds, what it was asked, and what it shall refuse, {"POST /path": (status, why)}."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.repos: dict[str, Repo] = {}
        self.store: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.refuses: dict[str, Refusal] = {}
        self.stuck = ""  # the SHA-256 of a file whose upload never ends
        self.reached = threading.Event()  # set where that upload has begun
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Request(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def answer(self, value: Any, status: int = 200, **headers: str) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, why: str, code: str = "") -> None:
        self.answer({"error": why}, status, X_Error_Message=why, X_Error_Code=code)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_any(self) -> None:
        path = self.path.partition("?")[0]
        call = f"{self.command} {path}"
        self.server.asked.append(call)
        body = b"" if self.is_stuck(path) else self.body()
        for pattern, refusal in self.server.refuses.items():
            if re.match(pattern, call):
                return self.refuse(*refusal)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        open_to_all = path.startswith("/lfs/") or path == "/api/validate-yaml"
        if not open_to_all and token not in TOKENS:
            return self.refuse(401, "Invalid credentials in Authorization header")
        if call == "GET /api/whoami-v2":
            role = {"displayName": "t", "role": TOKENS[token]}
            return self.answer({"name": "ada", "orgs": [], "auth": {"accessToken": role}})
        if call == "POST /api/repos/create":
            return self.create(json.loads(body))
        if call == "POST /api/validate-yaml":
            return self.validate(json.loads(body)["content"])
        if found := re.match(r"GET /api/models/([^/]+/[^/]+)", call):
            return self.describe(found[1])
        if found := re.match(r"POST /api/models/([^/]+/[^/]+)/preupload/main$", call):
            return self.preupload(self.server.repos[found[1]], json.loads(body))
        if re.match(r"POST /[^/]+/[^/]+\.git/info/lfs/objects/batch$", call):
            return self.batch(json.loads(body))
        if found := re.match(r"PUT /lfs/(\w+)$", call):
            return self.keep(found[1], body)
        if found := re.match(r"POST /api/models/([^/]+/[^/]+)/commit/main$", call):
            return self.commit(found[1], [json.loads(line) for line in body.splitlines()])
        return self.refuse(404, f"this stand-in knows no {call}")

    do_GET = do_POST = do_PUT = handle_any

    def is_stuck(self, path: str) -> bool:
        """Read a part of an upload, say so, and wait for the client to go."""
        if not self.server.stuck or path != f"/lfs/{self.server.stuck}":
            return False
        self.rfile.read(1000)
        self.server.reached.set()
        while self.rfile.read1(1 << 16):
            time.sleep(0.1)
        return True

    def create(self, asked: dict[str, Any]) -> None:
        repo = f"{asked['organization'] or 'ada'}/{asked['name']}"
        if not repo.startswith("ada/"):
            return self.refuse(403, "You don't have the rights to create a model here")
        if repo in self.server.repos:
            return self.refuse(409, "You already created this model repo")
        self.server.repos[repo] = Repo(asked["visibility"] == "private")
        return self.answer({"url": f"{self.server.url}/{repo}", "id": repo})

    def validate(self, card: str) -> None:
        """Check what the Hub checks of what we write: base_model is a Hub id, lists are lists."""
        data = yaml.safe_load(card.split("---\n")[1])
        base = data.get("base_model", "a/b")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", base) or not isinstance(data["tags"], list):
            return self.answer({"errors": [{"message": '"base_model" is no model'}]}, 400)
        return self.answer({"errors": [], "warnings": []})

    def describe(self, repo: str) -> None:
        if repo not in self.server.repos:
            return self.refuse(404, "Repository not found", "RepoNotFound")
        kept = self.server.repos[repo]
        return self.answer({"id": repo, "sha": kept.sha, "private": kept.private, "siblings": []})

    def preupload(self, repo: Repo, asked: dict[str, Any]) -> None:
        files = []
        for file in asked["files"]:
            path, large = file["path"], file["path"].endswith(".gguf")
            there = repo.files.get(path)
            git = b"blob %d\0" % len(there or b"")
            oid = None if there is None else hashlib.sha1(git + there).hexdigest()
            oid = hashlib.sha256(there).hexdigest() if there is not None and large else oid
            mode = "lfs" if large else "regular"
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return self.answer({"files": files})

    def batch(self, asked: dict[str, Any]) -> None:
        objects = []
        for wanted in asked["objects"]:
            upload = {"upload": {"href": f"{self.server.url}/lfs/{wanted['oid']}"}}
            there = wanted["oid"] in self.server.store
            objects.append(wanted if there else {**wanted, "actions": upload})
        return self.answer({"transfer": "basic", "objects": objects})

    def keep(self, oid: str, content: bytes) -> None:
        if hashlib.sha256(content).hexdigest() != oid:
            return self.refuse(400, "The content isn't that of the hash")
        self.server.store[oid] = content
        return self.answer({})

    def commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        repo = self.server.repos[name]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                repo.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repo.files[value["path"]] = self.server.store[value["oid"]]
        repo.commits += 1
        url = f"{self.server.url}/{name}/commit/{repo.sha}"
        return self.answer({"success": True, "commitOid": repo.sha, "commitUrl": url})
