"""Downloads that break off: the next try asks for the rest alone, and only the checksum decides what is right."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gpudl.data import DownloadError
from gpudl.data.download import fetch
from tests.data.test_download import Server, all_below, closed_port, md5, server

__all__ = ["server"]  # a fixture

CONTENT = bytes(range(256)) * 40


def get(server: Server, folder: Path, *places: str, content: bytes = CONTENT) -> Path:
    return fetch("a", [f"{server.url}/{place}" for place in places], md5(content), folder, dataset="X")


def test_connection_that_breaks_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.files["/slow/a"] = CONTENT
    assert get(server, tmp_path, "slow").read_bytes() == CONTENT
    begins = [int(asked.removeprefix("bytes=")[:-1]) for asked in server.ranges if asked]
    assert server.ranges[0] is None and begins[0] == 5120 and begins == sorted(set(begins)) and len(begins) > 3
    assert all_below(tmp_path) == ["a"]


def test_next_call_goes_on_where_the_last_one_was(server: Server, tmp_path: Path) -> None:
    server.files["/cut/a"] = server.files["/ranges/a"] = CONTENT
    with pytest.raises(DownloadError, match=r"closed after 5120 of 10240 bytes.* The 5120 bytes that came are kept"):
        get(server, tmp_path / "new", "cut")
    assert [path.name.startswith(".a.") for path in (tmp_path / "new").iterdir()] == [True]
    server.ranges.clear()
    assert get(server, tmp_path / "new", "ranges").read_bytes() == CONTENT
    assert server.ranges == ["bytes=5120-"]
    assert all_below(tmp_path / "new") == ["a"]


def test_second_mirror_goes_on_where_the_first_one_was(server: Server, tmp_path: Path) -> None:
    server.files["/cut/a"] = server.files["/ranges/a"] = CONTENT
    assert get(server, tmp_path, "cut", "ranges").read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=5120-"


def test_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.files["/cut/a"] = server.files["/whole/a"] = CONTENT
    assert get(server, tmp_path, "cut", "whole").read_bytes() == CONTENT
    assert server.asked == ["/cut/a"] * 4 + ["/whole/a"]


def test_first_part_of_another_file_is_found_out(server: Server, tmp_path: Path) -> None:
    server.files["/cut/a"], server.files["/ranges/a"] = b"x" * len(CONTENT), CONTENT
    assert get(server, tmp_path, "cut", "ranges").read_bytes() == CONTENT
    assert server.ranges[-2:] == ["bytes=5120-", None]


def test_longer_part_of_another_file_is_found_out(server: Server, tmp_path: Path) -> None:
    server.files["/cut/a"], server.files["/ranges/a"] = b"x" * 3 * len(CONTENT), CONTENT
    assert get(server, tmp_path, "cut", "ranges").read_bytes() == CONTENT


def test_part_that_is_whole_needs_no_more_bytes(server: Server, tmp_path: Path) -> None:
    (tmp_path / f".a.{md5(CONTENT)[:8]}.part").write_bytes(CONTENT)
    server.files["/ranges/a"] = CONTENT
    assert get(server, tmp_path, "ranges").read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


def test_server_that_lies_about_its_range_is_not_believed(server: Server, tmp_path: Path) -> None:
    server.files["/cut/a"] = server.files["/odd/a"] = CONTENT
    with pytest.raises(DownloadError, match="another part than it was asked for|closed after"):
        get(server, tmp_path, "cut", "odd")
    server.files["/whole/a"] = CONTENT
    assert get(server, tmp_path, "odd", "whole").read_bytes() == CONTENT


def test_wrong_content_is_asked_for_twice_at_most(server: Server, tmp_path: Path) -> None:
    server.files["/slow/a"] = b"y" * len(CONTENT)
    with pytest.raises(DownloadError, match=f"wrong content: MD5 .* of {len(CONTENT)} bytes"):
        get(server, tmp_path / "new", "slow")
    assert server.ranges.count(None) == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("code", "tries"), [(503, 3), (429, 3), (500, 3), (404, 1), (403, 1)])
def test_what_may_pass_is_tried_again(server: Server, tmp_path: Path, code: int, tries: int) -> None:
    server.files["/whole/a"] = CONTENT
    server.failures = [code] * 10
    with pytest.raises(DownloadError, match=f"HTTP {code}"):
        get(server, tmp_path, "whole")
    assert len(server.asked) == tries and all_below(tmp_path) == []
    server.failures = [code] * (tries - 1)
    assert get(server, tmp_path, "whole").read_bytes() == CONTENT


def test_file_that_is_right_is_not_asked_for(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    assert get(server, tmp_path, "whole") == tmp_path / "a"
    assert server.asked == []
    (tmp_path / "a").write_bytes(CONTENT[:-1])
    server.files["/whole/a"] = CONTENT
    assert get(server, tmp_path, "whole").read_bytes() == CONTENT


def test_only_one_of_several_downloads_the_others_wait(server: Server, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no lock that would make them wait")
    server.files["/slow/a"] = CONTENT * 50
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(get(server, tmp_path, "slow", content=CONTENT * 50).read_bytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT * 50] * 4
    assert server.ranges.count(None) == 1 and all_below(tmp_path) == ["a"]


def test_disk_that_is_full_is_no_fault_of_the_mirror(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/whole/a"] = CONTENT
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from gpudl.data.download import fetch\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    fetch('a', [sys.argv[1]], sys.argv[2], Path(sys.argv[3]), dataset='X')\n"
        "except OSError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    if sys.platform == "win32":
        pytest.skip("Windows has no limit on the size of files")
    command = [sys.executable, "-c", program, f"{server.url}/whole", md5(CONTENT), str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.stdout == "OSError [Errno 27] File too large\n", process.stderr
    assert not (tmp_path / "a").exists()


def test_bar_on_a_terminal_and_one_line_elsewhere(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/whole/a"] = CONTENT
    get(server, tmp_path / "plain", "whole")
    assert capsys.readouterr().err == f"gpudl: X: downloading a to {tmp_path / 'plain'}\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    get(server, tmp_path / "bar", "whole")
    out, err = capsys.readouterr()
    assert out == "" and "\r" in err and "10.2k" in err


def test_offline_message_says_what_to_get_and_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpudl.data.download._PAUSE", 0.0)
    url = closed_port()
    with pytest.raises(DownloadError) as caught:
        fetch("a", [url, f"{url}/b"], "0" * 32, tmp_path / "x" / "y", dataset="X")
    text = str(caught.value)
    assert f"{url}/a (" in text and f"{url}/b/a (" in text and f"put it into {tmp_path / 'x' / 'y'}" in text
    assert all_below(tmp_path) == []
