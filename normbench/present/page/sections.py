"""The sections of a page about one comparison: what a person wants to know first stands first."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from normbench.analysis.compare.compare import Comparison, layers_text
from normbench.analysis.compare.facts import show_value
from normbench.analysis.compare.tune import tuning_notes
from normbench.present.page.html import Html, element, joined
from normbench.present.page.tables import answers_list, table_html
from normbench.present.report.tables import answer, default_tables
from normbench.present.tables.answers import answers, told_of
from normbench.present.tables.context import machine_in_words, recipe_in_words
from normbench.runs.record import Record
from normbench.text import listed, plural

FEW_SEEDS = 5
"""Below, a page says that the runs are few."""


def answer_section(comparison: Comparison) -> Html:
    """The question, the answer in words with its intervals, and n."""
    labels = list(dict.fromkeys(row.label for row in comparison.rows))
    along = f", at each {comparison.key}" if comparison.key else ""
    counts = sorted({row.n for row in comparison.rows})
    n = f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"
    question = f"{listed(labels)}: does it matter which one this network has{along}, and is the difference real?"
    said = answers(comparison)
    shown = answers_list(said) if said else element("p", "There is one norm, and nothing to compare it with.")
    rule = (
        f"{n} seeds of each norm. “real”: p at most 0.05 over all pairs together; “equivalent”: surely less than "
        f"{comparison.delta:g} points apart. Differences are in points of {comparison.split} accuracy; brackets are "
        "the intervals that decided."
    )
    if num_untold := len(comparison.pairs) - len(told_of(comparison)):
        rule += f" {num_untold} more pairs are in the tables."
    return joined([element("p", question), shown, element("p", rule, class_="quiet")])


def facts_section(comparison: Comparison) -> Html:
    """What was compared: data, network, recipe, budget, tuning, machine."""
    record = _record(comparison)
    layers = dict.fromkeys(f"{row.label}: {layers_text(row.norm_layers) or 'none'}" for row in comparison.rows)
    labels = list(dict.fromkeys(row.label for row in comparison.rows))
    tuning = (
        " ".join(tuning_notes(comparison.tuning, labels))
        if comparison.tuning
        else "None: every norm has the settings of the recipe."
    )
    images = f"{comparison.num_train:,} training and {comparison.num_eval:,} {comparison.split} images"
    facts = {
        "Data": f"{comparison.data}, {images}, fingerprint {comparison.fingerprint[:8]}",
        "Network and recipe": recipe_in_words(comparison),
        "Norm layers": "; ".join(layers),
        "Budget": _budget(record.config),
        "Tuning": tuning,
        "Machine": machine_in_words(comparison.environment),
        "Runs": f"{sum(len(row.runs) for row in comparison.rows)} of {listed(comparison.experiments)}",
    }
    shown = (joined([element("dt", name), element("dd", value)]) for name, value in facts.items())
    recipe = element("pre", element("code", yaml.safe_dump(_recipe(comparison), sort_keys=False, allow_unicode=True)))
    return joined(
        [
            element("dl", *shown, class_="facts"),
            element("details", element("summary", "The whole recipe"), recipe),
        ]
    )


def doubts_section(comparison: Comparison) -> Html:
    """What weakens the answer, as far as the records show it."""
    found = list(_doubts(comparison))
    if not found:
        return element("p", "Nothing that the records show.")
    return element("ul", *(element("li", doubt) for doubt in found))


def tables_section(comparison: Comparison, *, with_predictions: bool) -> Html:
    """The tables of `compare --full`, and the accuracy class by class where there are predictions."""
    names = [*default_tables(comparison, full=True), *(["classes"] if with_predictions else [])]
    tables, _ = answer(comparison, names)
    return joined(table_html(table) for table in tables.values())


def runs_section(comparison: Comparison) -> Html:
    """Every run with its folder."""
    tables, _ = answer(comparison, ["runs"])
    return joined(table_html(table) for table in tables.values())


def commands_section(comparison: Comparison, paths: list[str]) -> Html:
    """The commands that print this again and make a run again, and how to cite it."""
    first = comparison.rows[0].runs[0].folder
    where = " ".join(paths)
    commands = [
        f"normbench compare {where} --full        # these tables",
        f"normbench report {where}                # this page",
        f"normbench train --config {first.config}  # one of the runs again",
    ]
    record = _record(comparison)
    commit = f", commit {record.git_commit[:12]}" if record.git_commit else ""
    version = record.environment.get("normbench")
    cite = (
        f"Made with normbench {version}{commit}, PyTorch {record.environment.get('torch')}, on {comparison.data} "
        f"(fingerprint {comparison.fingerprint[:8]}), {record.finished_at[:10]}."
    )
    return joined([element("pre", element("code", "\n".join(commands))), element("h3", "To cite"), element("p", cite)])


def _doubts(comparison: Comparison) -> Iterator[str]:
    rows = comparison.rows
    yield from comparison.differs
    fewest = min(row.n for row in rows)
    if fewest < FEW_SEEDS:
        yield f"{plural(fewest, 'seed')} of a norm: intervals are wide, and that accuracies are normal is assumed."
    if comparison.tuning:
        for best in comparison.tuning.chosen:
            if best.on_edge:
                yield f"{best.label}: the best {', '.join(best.on_edge)} is at the edge of its grid."
    else:
        yield "Nothing was tuned for each norm: one of them may do better with a learning rate of its own."
    if comparison.split == "val":
        yield "Accuracies are on images held out of the training set, not on the test images."
    for row in rows:
        if row.diverged_seeds:
            yield f"{plural(len(row.diverged_seeds), 'run')} of {row.label} diverged, and is in no mean."
    shared = max(run.record.data.num_eval_in_train or 0 for row in rows for run in row.runs)
    if shared:
        yield f"{shared:,} of the evaluated images are among the training images."
    undecided = [f"{pair.a} and {pair.b}" for pair in comparison.pairs if pair.verdict.kind == "undecided"]
    if undecided:
        yield f"Undecided: {'; '.join(undecided)}. No difference was found, which is not the same as none."


def _record(comparison: Comparison) -> Record:
    return comparison.rows[0].runs[0].record


def _budget(config: Mapping[str, Any]) -> str:
    budget = config.get("budget")
    if not isinstance(budget, Mapping):
        return "not recorded"
    return ", ".join(
        f"{key.replace('_', ' ')} {'any' if value is None else show_value(value)}" for key, value in budget.items()
    )


def _recipe(comparison: Comparison) -> dict[str, Any]:
    """The settings that all runs share, as plain values for YAML."""
    return {
        key: value if isinstance(value, str | int | float | bool | None) else show_value(value)
        for key, value in comparison.recipe.items()
    }
