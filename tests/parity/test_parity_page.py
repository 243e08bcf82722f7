"""gpudl/PARITY.md says what is promised."""

import parity_page


def test_the_page_is_true():
    written = parity_page.PAGE.read_text(encoding="utf-8")
    assert parity_page.page() == written, "make it anew: PYTHONPATH=. python tests/parity/parity_page.py --write"


def test_a_changed_limit_is_seen(monkeypatch):
    monkeypatch.setitem(parity_page.LEVELS["summing"].limits, "float32", 5e-6)
    assert parity_page.page() != parity_page.PAGE.read_text(encoding="utf-8")
