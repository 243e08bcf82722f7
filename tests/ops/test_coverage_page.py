"""gpudl/ops/COVERAGE.md says what is there."""

import coverage_page


def test_the_page_is_true():
    written = coverage_page.PAGE.read_text(encoding="utf-8")
    assert coverage_page.page() == written, "make it anew: PYTHONPATH=. python tests/ops/coverage_page.py --write"


def test_what_training_needs_is_there():
    for space, surveyed in coverage_page.survey().items():
        missing = [name for name, has in surveyed.needed.items() if not has]
        assert len(missing) <= 0.03 * len(surveyed.needed), f"torch.{space}: {', '.join(missing)}"


def test_a_missing_name_is_seen(monkeypatch):
    import gpudl

    monkeypatch.delattr(gpudl, "softmax")
    assert coverage_page.survey()[""].needed["softmax"] is False
    assert coverage_page.page() != coverage_page.PAGE.read_text(encoding="utf-8")
