"""`unbraid separate` and `unbraid demucs` refuse wrong options before they download a model.

The tests have no network, so a command that tries to download says that instead.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from unbraid.cli.main import main

SINGLE = "is a single model. combine and weights are for ensembles, such as htdemucs+mdx_voc_ft."
UNUSABLE = "can't be used:"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("-m htdemucs --combine max", f"htdemucs {SINGLE}"),
        ("-m karaoke --weights 1,2", f"karaoke {SINGLE}"),
        ("--quality best --combine mean", f"best {SINGLE}"),
        ("-m htdemucs+htdemucs", f"The ensemble htdemucs+htdemucs {UNUSABLE} htdemucs is in it twice."),
        (
            "-m htdemucs+mdx_voc_ft --weights 1",
            f"The ensemble htdemucs+mdx_voc_ft {UNUSABLE} weights must be 2 numbers, one for each model, not [1.0].",
        ),
        (
            "-m ensemble_mdx --weights piano=1,2",
            f"The ensemble ensemble_mdx {UNUSABLE} it has no stem piano for a weight; it has vocals, no_vocals.",
        ),
        (
            "-m drum_pieces+htdemucs",
            f"The ensemble drum_pieces+htdemucs {UNUSABLE} mdx23c_drumsep has no stem in common with htdemucs.",
        ),
        (
            "-m karaoke --stems piano",
            "There is no stem 'piano' in this model. Choose all, lead_vocals, no_lead_vocals and the like, mix, or "
            "several with commas.",
        ),
        (
            "-m htdemucs --stems piano",
            "There is no stem 'piano' in this model. Choose all, drums, bass, other, vocals, no_vocals and the "
            "like, mix, a sum such as drums+bass, or several with commas.",
        ),
        (
            "-m htdemucs+mdx_voc_ft --stems piano",
            "There is no stem 'piano' in this model. Choose all, drums, bass, other, vocals, no_vocals and the "
            "like, mix, a sum such as drums+bass, or several with commas.",
        ),
        (
            "-m htdemucs --then piano:lite",
            "--then piano:lite: There is no stem 'piano' in this model. Choose vocals, no_vocals.",
        ),
        (
            "-m karaoke --then no_lead_vocals:lite --then no_lead_vocals:htdemucs",
            "--then no_lead_vocals:lite: The stem no_lead_vocals has two second models. Choose one.",
        ),
        (
            "-m htdemucs --name {track}/{stem} --start 1",
            "A part of a song has a folder of its own. Leave out --name, or --start and --end.",
        ),
        (
            "-m htdemucs --stems vocals,drums --video",
            "A video needs the sound of a stem such as no_vocals. Add it to the stems.",
        ),
        (
            "-m htdemucs --format stem --video",
            "--format stem has no pictures. Leave out --video, or choose another format.",
        ),
        (
            "-m htdemucs --format stem --then vocals:lite",
            "--format stem has no parts of stems. Leave out --then, or choose another format.",
        ),
    ],
)
def test_wrong_options_are_refused_before_a_download(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: str, line: str
) -> None:
    out = tmp_path / "out"
    assert main(["separate", "song.wav", "-o", str(out), *options.split()]) == 2
    assert capsys.readouterr().err == f"unbraid: {line}\n"
    assert not out.exists()


def test_demucs_refuses_an_unknown_stem_before_a_download(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demucs", "-n", "htdemucs", "--two-stems", "guitar", "song.wav"]) != 0
    assert capsys.readouterr().err == (
        "unbraid: --two-stems guitar: the model has no such stem. It has drums, bass, other, vocals.\n"
    )


@pytest.mark.parametrize(
    "options", ["--then no_vocals:lite", "-m four_stems --stems drums --then drums:lite"]
)
def test_options_that_a_bundled_model_has_are_not_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: str
) -> None:
    assert main(["separate", "song.wav", "-o", str(tmp_path / "out"), *options.split()]) == 1
    assert "song.wav: doesn't exist" in capsys.readouterr().err
