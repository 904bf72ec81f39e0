"""The Hugging Face Hub on loopback: what huggingface_hub asks for to publish and load, by the standard library.

Tokens tell how it behaves: `writer` may do all, `reader` may not write, `dying` makes it hang up in the middle of a
commit, and any other is wrong. All files travel inside the commit; large-file storage is left out.
"""

from __future__ import annotations

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub(ThreadingHTTPServer):
    """`repos` by "models/org/name" or "datasets/org/name": whether private, and its branches' lists of commits."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.repos: dict[str, dict] = {}

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        return self.repos[repo]["branches"][revision][-1]


class Request(BaseHTTPRequestHandler):
    """One request; answers are (status, JSON or bytes, headers)."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)) // (2 if self.dies() else 1))
        if self.dies():
            self.close_connection = True
            return
        status, answer, headers = self.answer(body)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_POST = do_GET

    def dies(self) -> bool:
        return "/commit/" in self.path and self.token() == "dying"

    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def answer(self, body: bytes):
        if self.token() not in ("", "writer", "reader", "dying"):
            return 401, {}, {"X-Error-Message": "Invalid credentials in Authorization header"}
        path = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if path == ["api", "validate-yaml"]:
            return 200, {"errors": [], "warnings": []}, {}
        if self.command == "POST" and self.token() == "reader":
            return 403, {"error": "you may read only"}, {}
        if path == ["api", "repos", "create"]:
            given = json.loads(body)
            repo = f"{given['organization']}/{given['name']}"
            private = given.get("visibility") == "private"
            kind = given.get("type") or "model"
            self.server.repos[f"{kind}s/{repo}"] = {"private": private, "branches": {"main": [{}]}}
            return 200, {"url": f"{self.server.url}/{'datasets/' if kind == 'dataset' else ''}{repo}"}, {}
        if path[0] != "api":  # [datasets/]org/name/resolve/revision/file
            at = path.index("resolve")
            kind = "datasets" if path[0] == "datasets" else "models"
            path = ["api", kind, *path[at - 2 : at], "resolve", *path[at + 1 :]]
        repo, rest = "/".join(path[1:4]), path[4:]
        if repo not in self.server.repos:
            return 404, {}, {"X-Error-Code": "RepoNotFound"}
        return self.repo(repo, rest[0] if rest else "", rest[1] if len(rest) > 1 else "main", rest[2:], body)

    def repo(self, repo: str, action: str, revision: str, rest: list[str], body: bytes):
        branches = self.server.repos[repo]["branches"]
        if action == "branch":
            branches[revision] = list(branches["main"])
            return 200, {}, {}
        commits = {sha(files): files for history in branches.values() for files in history}
        files = branches[revision][-1] if revision in branches else commits.get(revision)
        if files is None:
            return 404, {}, {"X-Error-Code": "RevisionNotFound"}
        shown = [{"type": "file", "path": p, "size": len(f), "oid": blob(f)} for p, f in files.items()]
        match action:
            case "" | "revision":
                siblings = [{"rfilename": path} for path in files]
                private = self.server.repos[repo]["private"]
                name = repo.split("/", 1)[1]
                return 200, {"id": name, "sha": sha(files), "private": private, "siblings": siblings}, {}
            case "tree":
                return 200, [entry for entry in shown if entry["path"].startswith("/".join(rest))], {}
            case "paths-info":
                asked = json.loads(body)["paths"] if body.startswith(b"{") else []
                return 200, [entry for entry in shown if entry["path"] in asked], {}
            case "preupload":
                names = [file["path"] for file in json.loads(body)["files"]]
                modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
                return 200, {"files": modes}, {}
            case "commit":
                new = dict(files)
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        new[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                    elif line["key"] == "deletedFile":
                        del new[line["value"]["path"]]
                branches[revision].append(new)
                return 200, {"commitUrl": f"{self.server.url}/{repo}/commit/{sha(new)}", "commitOid": sha(new)}, {}
            case "resolve" if (name := "/".join(rest)) in files:
                return 200, files[name], {"ETag": f'"{blob(files[name])}"', "X-Repo-Commit": sha(files)}
        return 404, {}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha(files)}

    def log_message(self, *_):
        pass


def blob(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


def sha(files: dict[str, bytes]) -> str:
    return blob("\n".join(f"{path} {blob(data)}" for path, data in sorted(files.items())).encode())
