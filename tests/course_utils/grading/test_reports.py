"""What people read after a batch: right numbers, nothing secret, and no student's text at work.

The pages are read as a browser would, with a parser, and compared with numbers counted by hand.
"""

import time
import xml.etree.ElementTree
from pathlib import Path
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup
from fake_results import HOSTILE, SEED, result, row

from course_utils.arguments import ArgumentError
from course_utils.grading.cards import read_card
from course_utils.grading.feedback import feedback_page
from course_utils.grading.likeness import find_alike, outline
from course_utils.grading.reports import write_reports
from course_utils.grading.weeks import questions_of


def feedback(made: dict) -> BeautifulSoup:
    return BeautifulSoup(feedback_page(read_card(made)).decode("utf-8"), "html.parser")


def said(soup: BeautifulSoup) -> str:
    return " ".join(soup.get_text().split())


def written(folder: Path, results: list[dict], **more) -> BeautifulSoup:
    page = write_reports(folder, results, **more)
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def table(soup: BeautifulSoup, caption: str) -> list[list[str]]:
    found = next(t for t in soup("table") if caption in t.caption.get_text())
    rows = [[" ".join(c.get_text().split()) for c in r(["th", "td"])] for r in found("tr")]
    return rows[1:]


# One page per student


def test_each_question_has_its_outcome_its_points_and_its_sentence():
    rows = {
        "w01-log-prob": row("w01-log-prob", 0.0, "large scores: the first factor is missing."),
        "w01-ngram": row("w01-ngram", 0.6, "a bigram: windows run across sequences.", "across"),
        "w01-units": row("w01-units", 0.0, "nothing is answered here yet.", "blank"),
    }
    soup = feedback(result("ada", rows))
    assert [r[2:] for r in table(soup, "Each question")] == [
        ["Not yet", "0 of 10"],
        ["Partly right", "6 of 10"],
        ["Right", "10 of 10"],
        ["Not answered", "0 of 10"],
        ["Right", "10 of 10"],
        ["Right", "15 of 15"],
        ["Right", "10 of 10"],
        ["Right", "5 of 5"],
        ["Right", "10 of 10"],
        ["Marked by a person", "up to 10"],
    ]
    assert "66 of 90 points given by machine Up to 10 more" in said(soup)
    for number, question in enumerate(questions_of("w01"), start=1):
        article = soup.find("article", id=question.id)
        assert f"{number}. {question.title}" in article.h3
        assert soup.find("a", href=f"#{question.id}")
    wrong = said(soup.find("article", id="w01-log-prob"))
    assert "Large scores: the first factor is missing." in wrong
    assert 'check("w01-log-prob", log_prob)' in wrong
    assert "first kind of input" in said(soup.find("article", id="w01-ngram"))
    assert "check(" not in said(soup.find("article", id="w01-entropy-rate"))


def test_a_text_comes_with_its_rubric_and_room_for_marks():
    soup = feedback(result("ada"))
    rubric = next(q.rubric for q in questions_of("w01") if q.kind == "explain")
    assert table(soup, "Rubric") == [[c.text, str(c.points), ""] for c in rubric]
    blank = row("w01-orderings", 0.0, "nothing yet.", "blank")
    text = said(feedback(result("bob", {"w01-orderings": blank})))
    assert "90 of 90 points" in text and "Rubric" not in text and "more are given" not in text


def test_the_seed_is_on_no_page_of_a_student(tmp_path):
    write_reports(tmp_path, [result("ada")])
    pages = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "summary.html"]
    assert len(pages) == 2
    for page in pages:
        assert str(SEED) not in page.read_text(encoding="utf-8")
    assert "drawn for this class" in said(feedback(result("ada")))
    assert "those of the notebook." in said(feedback(result("ada", seed=0)))


@pytest.mark.parametrize("field", ["submission", "sha256", "isolation", "notes", "message"])
def test_what_a_student_wrote_is_text_and_nothing_else(field):
    rows = {q.id: row(q.id, 0.0) | {"message": HOSTILE} for q in questions_of("w01")}
    value = {"notes": [HOSTILE]}.get(field, HOSTILE)
    made = result("ada", rows) if field == "message" else result("ada", **{field: value})
    soup = feedback(made)
    assert not soup(["script", "img", "iframe", "object", "link", "base", "form"])
    assert not [a for tag in soup(True) for a in tag.attrs if a.startswith("on") or a == "src"]
    assert {a["href"][0] for a in soup("a")} == {"#"}
    assert len(soup("title")) == 1 and "49" not in said(soup)
    if field != "isolation":
        assert "<script>alert('in')</script>" in said(soup)
    policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'") and "script" not in policy


def test_endless_texts_and_turned_writing_do_no_harm():
    rows = {q.id: row(q.id, 0.0, "A" * 10**6) for q in questions_of("w01")}
    made = result("x" * 10**5, rows, notes=["\u202egnp.exe\u2066" + "n" * 10**5] * 500)
    page = feedback_page(read_card(made)).decode("utf-8")
    assert len(page) < 60_000
    assert "\u202e" not in page and "\u2066" not in page and "gnp.exe" in page
    assert "And 460 more notes." in page


def test_what_the_grader_could_not_do_is_no_judgement():
    rows = {q.id: row(q.id, 0.0, "Not graded.", "ungraded") for q in questions_of("w01")}
    for made in (result("ada", rows, ungraded="died"), result("b", questions={}, ungraded="died")):
        made["score"] = 0.0
        text = said(feedback(made | {"assignment": "w01"}))
        assert "no judgement of your work" in text
        assert "0 of" not in text and "Not yet" not in text


# The class


@pytest.fixture
def class_of_five() -> list[dict]:
    bits = "three symbols: in bits."
    rate = "w01-entropy-rate"
    return [
        result("ada"),
        result("bob", {rate: row(rate, 0.0, bits, "bits"), "w01-nade": row("w01-nade", 0.4)}),
        result("cyd", {rate: row(rate, 0.0, bits, "bits"), "w01-nade": row("w01-nade", 0.0)}),
        result("dan", {rate: row(rate, 0.0, "the wrong sign.", "sign")}, notes=["cell 3 stopped."]),
        result("eve", {rate: row(rate, 0.0, "nothing yet.", "blank")}, isolation="plain"),
    ]


def test_the_summary_counts_what_was_hard_and_why(tmp_path, class_of_five):
    soup = written(tmp_path, class_of_five)
    rows = table(soup, "Mean share")
    assert rows[0] == ["3. The floor of the loss", "20 %", "1", "0", "3", "1"]
    assert rows[1] == ["6. NADE in O(dH)", "68 %", "3", "1", "1", "0"]
    assert len(rows) == 9 and all(r[1] == "100 %" for r in rows[2:])
    assert table(soup, "w01-entropy-rate") == [
        ["2", "bits", "Three symbols: in bits."],
        ["1", "sign", "The wrong sign."],
    ]
    assert [r[1] for r in table(soup, "In the order")] == ["90", "71", "65", "80", "80"]
    text = said(soup)
    assert "5 submissions, graded with seed 918273645" in text
    assert "Mean 77.2, median 80; the middle half lies between 71 and 80." in text
    assert "All points: 1; no points: 0." in text
    assert '1 graded with isolation "plain".' in text and "Cell 3 stopped." in text


def test_the_figures_say_their_numbers_and_are_whole(tmp_path, class_of_five):
    soup = written(tmp_path, class_of_five)
    scores, outcomes = (svg["aria-label"] for svg in soup("svg"))
    assert (
        "50 to 60 points: 0, 60 to 70 points: 1, 70 to 80 points: 1, 80 to 90 points: 3" in scores
    )
    assert "3. The floor of the loss: 1 right, 0 partly, 3 not yet, 1 blank; 6. NADE" in outcomes
    text = (tmp_path / "summary.html").read_text(encoding="utf-8")
    for piece in text.split("<svg")[1:]:
        xml.etree.ElementTree.fromstring("<svg" + piece.split("</svg>")[0] + "</svg>")
    ids = [tag["id"] for tag in soup(id=True)]
    assert len(ids) == len(set(ids))
    assert {svg["role"] for svg in soup("svg")} == {"img"}


def test_links_lead_to_pages_whatever_a_submission_is_called(tmp_path):
    names = ["ada", "50%25 of #1", "what?", "été", "../../escape", HOSTILE, "n" * 300, "."]
    soup = written(tmp_path / "out", [result(name, notes=[HOSTILE]) for name in names])
    links = [a["href"] for a in soup("a") if a["href"][0] != "#"]
    assert len(set(links)) == len(names)
    for link in links:
        page = (tmp_path / "out" / unquote(link)).resolve()
        assert page.is_file() and page.parent == (tmp_path / "out" / "feedback").resolve()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert not soup(["script", "img"])


def test_a_class_without_a_graded_submission_has_a_summary(tmp_path):
    soup = written(tmp_path, [result("a", questions={}, score=0.0, ungraded="died")])
    assert "Not graded, for a person to look at: 1." in said(soup)
    assert "None could be graded." in said(soup)
    assert "90 points." in said(written(tmp_path, [result("b")]))


def test_the_same_results_give_the_same_bytes(tmp_path, class_of_five):
    for name in ("one", "two"):
        write_reports(tmp_path / name, class_of_five)
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    assert len(files) == 11
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_results_that_cannot_be_reported_get_one_line(tmp_path):
    with pytest.raises(ArgumentError, match=r"^results: expected .* got 0 kinds$"):
        write_reports(tmp_path, [])
    with pytest.raises(ArgumentError, match=r"^results: expected .* got 2 kinds$"):
        write_reports(tmp_path, [result("a"), result("b", seed=3)])
    with pytest.raises(ArgumentError, match=r"^week: expected one of"):
        write_reports(tmp_path, [result("a", assignment="week99")])
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match=r"^folder: cannot write to"):
        write_reports(tmp_path / "file", [result("a")])


# What is alike

CODE = '''
def log_prob(scores, x):
    """Return it."""
    total = torch.zeros(len(x))  # start
    for i, table in enumerate(scores):
        total = total + table.log_softmax(-1)
    return total
'''
DISGUISED = """# mine!
def log_prob(a, data):
  result = torch.zeros( len(data) )

  for index, entry in enumerate(a):
      result = (
          result + entry.log_softmax(-1)
      )
  return result
""".replace("(\n          result", "result").replace("\n      )", "")


def test_an_outline_sees_through_names_comments_and_spacing():
    assert outline([CODE]) == outline([DISGUISED]) == outline(CODE.split("\n", 3))
    assert outline(['x = "a"']) == outline(["y='a'"])


@pytest.mark.parametrize(
    ("old", "new"),
    [("log_softmax", "softmax"), ("-1", "-2"), ("total +", "total -"), ("len(x)", "len(scores)")],
)
def test_an_outline_sees_other_code(old, new):
    assert old in CODE
    assert outline([CODE]) != outline([CODE.replace(old, new)])


@pytest.mark.parametrize("text", ["'", '"""', "\\", "((", "a.", "'''\\", "\ud800", "é1_"])
def test_an_outline_takes_its_time_only_by_length(text):
    began = time.process_time()
    outline([text * (50_000 // len(text))])
    assert time.process_time() - began < 1.0
    assert outline(["# nothing", "'''but'''", "  "]) == ""


def test_alike_are_files_first_and_code_only_where_files_differ(tmp_path):
    texts = {"a": CODE, "b": CODE, "c": DISGUISED, "d": "x = 1", "e": "", "f": ""}
    paths = {name: tmp_path / f"{name}.py" for name in texts}
    for name, path in paths.items():
        path.write_text(texts[name])
    results = [result(name) for name in texts]
    results[1]["sha256"] = results[0]["sha256"]
    cards = [read_card(made) for made in results]
    groups = [(g.what, "".join(c.key for c in g.cards)) for g in find_alike(cards, paths)]
    assert groups == [("file", "ab"), ("code", "abc")]
    assert [g.what for g in find_alike(cards[:2], paths)] == ["file"]
    assert [g.what for g in find_alike(cards, {})] == ["file"]
    empty = [read_card(result(name, score=0.0)) for name in "ac"]
    assert "untouched handout" in find_alike(empty, paths)[0].what


def test_alike_submissions_are_named_in_the_summary(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(f"# {name}\nx = 1\n")
    paths = {name: tmp_path / f"{name}.py" for name in "ab"}
    soup = written(tmp_path / "out", [result("a"), result("b")], paths=paths)
    assert table(soup, "Groups") == [["code", "a (90), b (90)"]]
    assert "No two are the same." in said(written(tmp_path / "out", [result("a"), result("b")]))
