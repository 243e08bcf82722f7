"""Downloads, against a web server in a thread: only right and whole files get their name."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from gpudl.data import MNIST, DownloadError, FashionMNIST, write_idx
from gpudl.data.download import fetch

NAMES = tuple(MNIST.checksums)


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` (path -> content) and notes in `asked` what was asked for, in `ranges` from which byte on.

    Paths below /cut break off in the middle; those below /slow do so too, but give ranges; those below /odd give
    another range than they are asked for. `failures` are status codes that come first.
    """

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.ranges: list[str | None] = []
        self.failures: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.ranges.append(self.headers["Range"])
        content = self.server.files.get(self.path)
        if content is None or self.server.failures:
            self.send_error(self.server.failures.pop() if self.server.failures else 404)
            return
        folder = self.path.split("/")[1]
        begin = 0
        if folder in ("slow", "ranges", "odd") and self.headers["Range"]:
            begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if begin >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            shown = begin - (folder == "odd")
            self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        half = (len(content) - begin + 1) // 2
        if folder == "cut" or (folder in ("slow", "odd") and half > 40):
            self.wfile.write(content[begin : begin + half])
        else:
            self.wfile.write(content[begin:])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("gpudl.data.download._PAUSE", 0.0)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for name in NAMES:
        count = 6 if name.startswith("train") else 3
        shape = (count, 28, 28) if "images" in name else (count,)
        write_idx(folder / name, rng.integers(0, 10, shape, np.uint8))
    return {name: (folder / name).read_bytes() for name in NAMES}


def serve(server: Server, folder: str, files: dict[str, bytes]) -> str:
    server.files.update({f"/{folder}/{name}": content for name, content in files.items()})
    return f"{server.url}/{folder}/"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def dataset_of(files: dict[str, bytes], *mirrors_of_it: str, base: type[MNIST] = MNIST) -> type[MNIST]:
    class Local(base):  # type: ignore[valid-type, misc]
        mirrors = mirrors_of_it
        checksums: ClassVar[dict[str, str]] = {name: md5(content) for name, content in files.items()}

    return Local


def closed_port() -> str:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as unused:
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


def all_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("base", [MNIST, FashionMNIST])
def test_four_files_are_fetched_once(
    server: Server, files: dict[str, bytes], tmp_path: Path, base: type[MNIST], capsys: pytest.CaptureFixture[str]
) -> None:
    kind = dataset_of(files, serve(server, "good", files), base=base)
    assert len(kind(tmp_path / "new", download=True)) == 6
    raw = tmp_path / "new" / base.__name__ / "raw"
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == files
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[3] for line in err.splitlines()] == list(NAMES)
    assert all(line.startswith(f"gpudl: {base.__name__}: downloading") for line in err.splitlines())

    assert len(kind(tmp_path / "new", train=False, download=True)) == 3
    assert server.asked == [f"/good/{name}" for name in NAMES]
    assert capsys.readouterr().err == ""


def test_only_missing_files_are_fetched(server: Server, files: dict[str, bytes], tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in NAMES[:3]:
        (raw / name).write_bytes(files[name])
    dataset_of(files, serve(server, "good", files))(tmp_path, download=True)
    assert server.asked == [f"/good/{NAMES[3]}"]


def test_second_mirror_is_tried_after_any_failure(server: Server, files: dict[str, bytes], tmp_path: Path) -> None:
    good = serve(server, "good", files)
    serve(server, "wrong", dict.fromkeys(NAMES, b"<html>Please log in</html>"))
    serve(server, "cut", files)
    for number, bad in enumerate((f"{server.url}/absent", f"{server.url}/wrong", f"{server.url}/cut", closed_port())):
        root = tmp_path / str(number)
        assert len(dataset_of(files, bad, good)(root, download=True)) == 6
        assert {path.name for path in root.rglob("*.gz")} == set(NAMES)
    assert server.asked[:2] == [f"/absent/{NAMES[0]}", f"/good/{NAMES[0]}"]


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        ("absent", "HTTP 404"),
        ("wrong", "wrong content: MD5 .* of 4 bytes, expected"),
    ],
)
def test_failed_download_leaves_nothing_behind(
    server: Server, files: dict[str, bytes], tmp_path: Path, mirror: str, message: str
) -> None:
    serve(server, "wrong", dict.fromkeys(NAMES, b"evil"))
    with pytest.raises(DownloadError, match=message) as caught:
        dataset_of(files, f"{server.url}/{mirror}")(tmp_path, download=True)
    assert all_below(tmp_path) == []
    text = str(caught.value)
    assert "\n" not in text
    assert f"{server.url}/{mirror}/{NAMES[0]}" in text and str(tmp_path / "MNIST" / "raw") in text


def test_offline_names_url_and_folder_in_one_line(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpudl.data.download._PAUSE", 0.0)
    url = closed_port()
    with pytest.raises(DownloadError) as caught:
        dataset_of(files, url)(tmp_path, download=True)
    text = str(caught.value)
    assert f"{url}/{NAMES[0]}" in text and str(tmp_path / "MNIST" / "raw") in text and "by hand" in text
    assert "\n" not in text
    assert all_below(tmp_path) == []
    assert caught.value.__cause__ is None and caught.value.__context__ is None, "no traceback of urllib beside it"


def test_earlier_files_stay_when_a_later_one_fails(server: Server, files: dict[str, bytes], tmp_path: Path) -> None:
    first = {NAMES[0]: files[NAMES[0]]}
    with pytest.raises(DownloadError, match=NAMES[1]):
        dataset_of(files, serve(server, "good", first))(tmp_path, download=True)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [NAMES[0]]


def test_file_that_cannot_be_named_is_not_left_under_another_name(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        assert len(all_below(tmp_path)) == 1, "written beside its final place first"
        raise PermissionError("no")

    monkeypatch.setattr("gpudl.data.download.os.replace", refuse)
    server.files["/a"] = b"content"
    with pytest.raises(PermissionError):
        fetch("a", [server.url], md5(b"content"), tmp_path, dataset="X")
    assert all_below(tmp_path) == []


def test_endless_content_is_refused(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpudl.data.download._MOST_BYTES", 100)
    server.files["/a"] = bytes(101)
    with pytest.raises(DownloadError, match="more than 100 bytes"):
        fetch("a", [server.url], md5(bytes(101)), tmp_path, dataset="X")


@pytest.mark.parametrize("mirrors", [(), ("no url at all",), ("gopher://127.0.0.1",)])
def test_useless_mirrors_are_reported(
    tmp_path: Path, mirrors: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpudl.data.download._PAUSE", 0.0)
    with pytest.raises(DownloadError, match="could not download a: "):
        fetch("a", mirrors, "0" * 32, tmp_path, dataset="X")


def test_without_download_nothing_is_asked(server: Server, files: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dataset_of(files, serve(server, "good", files))(tmp_path)
    assert server.asked == []


def test_published_checksums_are_complete() -> None:
    for kind in (MNIST, FashionMNIST):
        assert kind.mirrors and all(mirror.startswith("http") for mirror in kind.mirrors)
        assert set(kind.checksums) == set(NAMES)
        assert len({*kind.checksums.values()}) == 4
        assert all(len(checksum) == 32 and int(checksum, 16) for checksum in kind.checksums.values())
