"""HTML reports: complete in one file, everything escaped, and drawn in a real browser."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
import yaml

from orchestrator.cli import main
from orchestrator.ledger import Ledger
from orchestrator.records import Distribution, Evaluation
from orchestrator.reports import charts
from orchestrator.reports.customer_page import customer_page
from orchestrator.reports.front_section import front_section
from orchestrator.reports.overview_page import overview_page
from orchestrator.reports.page import Card, Chart, Page, Section, Table
from orchestrator.reports.rendering import render
from orchestrator.search.plots import pictures
from tests.support.ledger_records import flow_run, model, promotion, result, snapshot

EVIL = "</script><img src=x onerror=\"document.title='broken'\">&<b>"


def tried(n, customer="acme", **fields):
    """A search of n trials over one number, one choice and a constant; the third one failed."""
    return [
        result(
            customer,
            number=number,
            score=None if number == 2 else 0.7 + number / 100,
            params={"C": 10.0**-number, "kind": [None, "l2"][number % 2], "same": 1},
            fit_seconds=(0.1, 0.1 * number),
            **fields,
        )
        for number in range(n)
    ]


@pytest.fixture
def ledger(tmp_path):
    """One customer with a search, and a champion that followed another."""
    with Ledger.open(tmp_path / "ledger.db") as opened:
        opened.lives.apply(snapshot("acme", "new", models=[model()]))
        opened.recorder().begin(flow_run("run-1"))
        opened.trials.add([*tried(12), *tried(1, name="forest")])
        for version, best in enumerate(tried(2), start=1):
            made = promotion(version=str(version), of=f"run-{version}", at=version, best=best)
            opened.promotions.intend([made])
            opened.promotions.confirm([made], at=version)
        yield opened


def titles(page):
    return [section.title for section in page.sections]


def parts(page, title):
    return [
        part.title for section in page.sections if section.title == title for part in section.parts
    ]


def own_text(html):
    """The page without the code of plotly."""
    return re.sub(r"<script>/\*\*.*?</script>", "", html, flags=re.DOTALL)


def test_a_customers_page_has_the_searches_with_the_champions_first(ledger):
    page = customer_page(ledger, "acme")
    assert titles(page) == [
        "Candidates",
        "Champions",
        "Search of tree",
        "Search of forest",
        "Failures",
    ]
    assert [section.folded for section in page.sections[2:4]] == [False, True]
    assert parts(page, "Search of tree") == [
        "History of the best score",
        "Importance of parameters",
        "Score by parameter",
        "Parallel coordinates",
    ]
    assert [card.value for card in page.cards] == ["tree", "0.7100", "v2", "13"]


def test_of_several_objectives_the_front_is_shown_with_what_serves():
    evaluation = Evaluation(
        loader="somewhere:load",
        metrics=("roc_auc", "model_kb"),
        objectives=("roc_auc", "model_kb"),
        slack=0.01,
    )

    def sized(number, score, kb):
        made = result(number=number, scores={"roc_auc": (score,), "model_kb": (kb,)})
        study = replace(made.trial.study, evaluation=evaluation)
        return replace(made, trial=replace(made.trial, study=study, params={"C": number}))

    results = [sized(0, 0.9, 9.0), sized(1, 0.8, 8.0), sized(2, 0.85, 12.0)]
    (section,) = front_section([*results, *tried(3)], results[1])
    chart, table = section.parts
    assert section.note.startswith("2 of 3 trials are on the Pareto front")
    assert [(trial, *rest[:2], serves) for trial, *rest, _, serves in table.rows] == [
        ("acme/tree/0", 0.9, 9.0, ""),
        ("acme/tree/1", 0.8, 8.0, "serves"),
    ]
    assert {points.name: len(points.x) for points in chart.figure.data} == {
        "on the front": 2,
        "behind it": 1,
    }
    assert list(front_section(tried(3), None)) == [], "one objective has no front"


def test_a_customer_that_was_never_tried_has_a_page(ledger):
    page = customer_page(ledger, "new")
    assert [card.value for card in page.cards] == ["none", "0"]
    assert "nothing serves this customer" in render(page)


def test_the_overview_counts_customers_models_and_failures(ledger):
    page = overview_page(ledger, "flights")
    assert titles(page) == ["Champions", "Models", "Failures", "Parameters of tree"]
    assert [(card.label, card.value) for card in page.cards[:4]] == [
        ("customers", "2"),
        ("served", "1"),
        ("models", "2"),
        ("trials in them", "13"),
    ]
    assert "ValueError: one class only" in render(page)


def test_an_empty_ledger_has_an_overview(tmp_path):
    with Ledger.look(tmp_path / "none.db") as ledger:
        assert "<h1>flights</h1>" in render(overview_page(ledger, "flights"))


def test_nothing_of_a_page_is_fetched(ledger):
    html = own_text(render(customer_page(ledger, "acme")))
    assert "default-src 'none'" in html
    assert not re.findall(r"(?:src|href)=|url\(|@import|https?://", html)


def test_whatever_is_in_a_registry_is_only_text():
    table = Table(columns=(EVIL,), rows=[(EVIL,)], title=EVIL, note=EVIL)
    chart = Chart(title=EVIL, figure=charts.counts({EVIL: 1}, of=EVIL))
    page = Page(
        title=EVIL,
        kind="Customer",
        subtitle=EVIL,
        cards=[Card(value=EVIL, label=EVIL, remark=EVIL)],
        sections=[Section(title=EVIL, note=EVIL, parts=[table, chart], folded=True)],
    )
    html = own_text(render(page))
    assert "<img" not in html
    assert html.count("</script>") == 1, "the page's own"


def test_numbers_are_put_as_people_read_them():
    table = Table(columns=("a", "b", "c"), rows=[(1234, 0.5, None), (1, 2.0, "x")])
    html = render(Page(title="t", kind="k", sections=[Section(title="s", parts=[table])]))
    assert '<td class="number">1,234</td><td class="number">0.5000</td>' in html
    assert "plotly" not in html, "a page without charts does without"


def figures(results):
    return {each.title: json.loads(each.figure.to_json()) for each in pictures(results)}


def test_what_was_not_varied_or_failed_is_not_drawn():
    drawn = figures(tried(12))
    labels = drawn["Parallel coordinates"]["layout"]["xaxis"]["ticktext"]
    assert labels == ["roc_auc", "C", "kind"]
    assert drawn["Score by parameter"]["layout"]["xaxis"]["type"] == "log"


def test_a_range_is_drawn_on_the_scale_it_was_searched_on():
    def scale(log):
        space = {"C": Distribution(kind="float", low=0.01, high=100.0, log=log)}
        drawn = figures([ranged(each, space) for each in tried(9)])
        return drawn["Score by parameter"]["layout"]["xaxis"].get("type")

    assert scale(log=True) == "log"
    assert scale(log=False) != "log"


def ranged(result, space):
    """The result as one of a search of this space."""
    study = result.trial.study
    study = replace(study, model=replace(study.model, grid=(space,)))
    return replace(result, trial=replace(result.trial, study=study))


def test_of_very_many_trials_the_best_are_drawn_as_lines():
    many = [result(number=n, score=n / 1000, params={"C": n / 7}) for n in range(301)]
    drawn = figures(many)["Parallel coordinates of the best 300"]
    lines = [line for line in drawn["data"] if line["mode"] == "lines"]
    assert len(lines) == 300


def test_few_trials_have_a_history_but_no_importances():
    assert list(figures(tried(1))) == ["History of the best score"]
    assert "Importance of parameters" not in figures(tried(5))
    assert figures([]) == figures([result(score=None)]) == {}


def test_the_command_writes_one_file(ledger, tmp_path, monkeypatch, capsys):
    settings = {
        "experiment": "flights",
        "registry": {"source": "file", "path": "lists.yaml"},
        "evaluation": {"loader": "somewhere:load"},
        "ledger": "sqlite:///ledger.db",
    }
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orchestrator.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    for arguments in (["report"], ["report", "acme", "--out", "deep/er/acme.html"]):
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
    assert "wrote report.html" in capsys.readouterr().out
    assert "<h1>acme</h1>" in (tmp_path / "deep/er/acme.html").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        main(["report", "nobody"])
    assert "no customer 'nobody'" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["report", "--out", "deep"])
    assert "--out deep cannot be written" in capsys.readouterr().err


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine")
def test_a_browser_draws_every_chart_and_runs_nothing_else(tmp_path):
    results = [
        result(
            number=number,
            score=number / 10,
            params={EVIL: number, "kind": [EVIL, "plain"][number % 2]},
        )
        for number in range(9)
    ]
    drawn = [Chart(title=EVIL, figure=each.figure) for each in pictures(results)]
    drawn.append(Chart(title="own", figure=charts.counts({EVIL: 3}, of=EVIL)))
    shut = Section(title="shut", parts=drawn[:1], folded=True)
    shown = Section(title=EVIL, parts=drawn)
    page = Page(title=EVIL, kind="Customer", sections=[shown, shut])
    file = tmp_path / "page.html"
    file.write_text(render(page), encoding="utf-8")
    dom = browse(file.as_uri(), tmp_path / "browser")
    assert len(re.findall(r'class="chart js-plotly-plot"', dom)) == len(drawn) == 5
    assert "<title>broken" not in dom
    assert "<img" not in own_text(dom)


def browse(address, profile):
    """What a page is once a browser has drawn it."""
    quiet = ("no-first-run", "disable-background-networking", "disable-component-update")
    return subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync"),
            *(f"--{option}" for option in quiet),
            *(f"--user-data-dir={profile}", "--window-size=1280,4000"),
            *("--virtual-time-budget=10000", "--dump-dom", address),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
