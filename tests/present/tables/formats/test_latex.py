"""Tables for a paper."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from normbench.present.tables.norms import comparison_table
from normbench.present.tables.pairs import pairs_table
from normbench.present.tables.table import Answer, Table
from tests.records import compare_records, make_record
from tests.tables import ODD, shown, three_seeds

TEX = shutil.which("tectonic") or shutil.which("pdflatex")
PAPER = r"""\documentclass[%s]{article}
\usepackage[paper=letterpaper,textwidth=6.5in]{geometry}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


def test_latex_escapes_its_own_signs() -> None:
    text = shown(ODD, "latex")
    assert r"\caption{100 \% of a\_b. a \& b: :smile:.}" in text
    assert r"=GN\textbar{}4 {[}red]x\_1 & $-$1.0 {[}$-$1.5, 0.5] \\" in text
    assert r"\toprule" in text


def test_caption_label_and_answers() -> None:
    answered = replace(ODD, answers=(Answer("real", "BN is above 100 % of\nGN"),), footer=("Precisions differ.",))
    text = shown(replace(answered, name="norms"), "latex")
    assert r"\label{tab:norms}" in text
    assert r"\caption{100 \% of a\_b. Precisions differ. a \& b" in text
    assert "\n% real: BN is above 100 % of\\nGN\n" in text  # a line break in a name does not end the comment
    own = shown(replace(answered, caption="Mine", name="tab:mine"), "latex")
    assert (r"\caption{Mine}" in own, r"\label{tab:mine}" in own) == (True, True)
    assert "\n% Precisions differ.\n" in own
    assert "\n% a & b: :smile:\n" in own


def wide_tables() -> list[Table]:
    measured = {"running": 0.7, "batch": 0.75, "precise": 0.74, "batch_size": 64}
    scores = {"bn": 0.79, "gn": 0.785, "frn": 0.6}
    labels = {"frn": "FRN(eps=1e-06, learned_eps=true)"}
    records = [
        make_record(
            kind,
            seed,
            mean + seed**2 / 1000,
            statistics=measured,
            **({"label": labels[kind]} if kind in labels else {}),
        )
        for kind, mean in scores.items()
        for seed in range(3)
    ]
    comparison = compare_records(records)[0]
    return [three_seeds(), comparison_table(comparison), pairs_table(comparison), ODD]


@pytest.mark.skipif(TEX is None, reason="neither tectonic nor pdflatex is installed: no table was compiled")
@pytest.mark.parametrize("options", ["10pt", "10pt,twocolumn"])
def test_every_table_compiles_and_fits_the_page(options: str, tmp_path: Path) -> None:
    paper = tmp_path / "paper.tex"
    tables = "\n\n".join(shown(replace(table, name=f"t{i}"), "latex") for i, table in enumerate(wide_tables()))
    paper.write_text(PAPER % (options, tables), encoding="utf-8")
    command = [str(TEX), *([] if "tectonic" in str(TEX) else ["-interaction=nonstopmode", "-halt-on-error"])]
    keep_log = ["--keep-logs"] if "tectonic" in str(TEX) else []
    done = subprocess.run(
        [*command, *keep_log, paper.name], cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "paper.log").read_text(encoding="latin-1")
    assert not re.findall(r"Overfull.*|LaTeX Warning: .*undefined.*", log)
