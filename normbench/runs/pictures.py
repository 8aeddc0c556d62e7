"""The pictures of one run, drawn into its folder."""

from normbench.norms import norm_label
from normbench.plots.misclassified import draw_misclassified
from normbench.plots.run_curves import draw_run_curves
from normbench.runs.session import Session


def draw_run(run: Session) -> None:
    """Writes `curves.png` and `misclassified.png`. Images are shown as the data set has them, not normalized."""
    assert run.logits is not None
    wanted = run.config.pictures
    norm = norm_label(run.config.norm.name, run.config.norm.options)
    title = f"{norm}, seed {run.config.seed}, {run.dataset.source} data, {run.config.name} recipe"
    draw_run_curves(run.rows, title, run.folder.curves)
    draw_misclassified(
        run.held_out.images.numpy(),
        run.held_out.labels.numpy(),
        run.logits.numpy(),
        run.dataset.class_names,
        title,
        run.folder.misclassified,
        rows=wanted.rows,
        columns=wanted.columns,
        choose=wanted.choose,
        seed=run.config.seed,
    )
