import base64
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bot.adapters.e5 import E5, MEAN
from bot.app import App
from bot.errors import InputError
from bot.resources import parse_yaml
from evals.fitting.centring import WORDINGS_A_LANGUAGE, centre, questions_of, sampled
from tests.conftest import KNOWLEDGE


def incident(folder: Path, name: str, *questions: str) -> None:
    (folder / name).mkdir(parents=True)
    rows = [json.dumps({"text": text}) for text in questions]
    (folder / name / "questions.jsonl").write_text("\n".join(rows), encoding="utf-8")


def test_the_mean_rests_on_no_incident_that_is_kept_unseen(tmp_path: Path) -> None:
    incident(tmp_path, "d1-clinic", "Was my file on it?", "Wo war er?")
    incident(tmp_path, "g1-library", "never read")
    incident(tmp_path, "h1-bank", "never read either")
    assert list(questions_of(tmp_path)) == ["Was my file on it?", "Wo war er?"]
    with pytest.raises(InputError, match="holds no incidents"):
        list(questions_of(tmp_path / "d1-clinic"))


def test_each_language_gives_the_mean_as_many_wordings(app: App) -> None:
    wordings = app.knowledge.wordings
    chosen = set(sampled(wordings))
    counts = Counter(w.language for w in wordings if w.text in chosen)
    assert set(counts) == {w.language for w in wordings}
    fewest = min(Counter(w.language for w in wordings).values())
    assert all(count >= min(fewest, WORDINGS_A_LANGUAGE) for count in counts.values())


def test_the_mean_is_written_as_the_encoder_reads_it(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident(tmp_path / "incidents", "d1-clinic", "Was my file on it?", "Wo war er?")
    knowledge = tmp_path / "knowledge"
    shutil.copytree(KNOWLEDGE, knowledge, ignore=shutil.ignore_patterns("fitted", "questions"))
    monkeypatch.setenv("DESK_KNOWLEDGE", str(knowledge))
    monkeypatch.setattr("evals.fitting.centring.data_path", lambda _name: tmp_path / MEAN)
    assert centre(["--incidents", str(tmp_path / "incidents")]) == 0
    encoder = E5(app.settings.models)
    expected = np.mean(
        [encoder.raw_vector(t) for t in ("Was my file on it?", "Wo war er?")], axis=0
    )
    stored = parse_yaml((tmp_path / MEAN).read_text(encoding="utf-8"))["half_floats"]
    written = np.frombuffer(base64.b64decode(stored), "<f2")
    assert np.allclose(written, expected, atol=1e-3)
