"""Knowledge checks: what a writer may write, and what stands on the page before anybody tries."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = ROOT / "book" / "_ext"
sys.path.insert(0, str(EXTENSION))

import course_quiz_html  # noqa: E402
import course_quiz_text as text  # noqa: E402

CONFIG = f"""
import sys
sys.path.insert(0, {str(EXTENSION)!r})
extensions = ["myst_nb", "course"]
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "off"
html_theme = "basic"
exclude_patterns = ["_build"]
"""

PAGE = """
# Questions

```{quiz}
Which is **right**?

- [ ] the wrong pear :: That is $1$, a gooseberry.
- [x] `two` :: Both together,
  counted once.
```

```{quiz}
:name: all-of-them
Choose all.

- [x] a :: because of $\\alpha$
- [ ] b :: never
- [x] c :: always
```

```{quiz}
:units: nats, bits = 0.6931
How much is it?

- [=] 4.605 ± 1 % :: It is $\\log 100$.
- [ ] 2 :: You took tens.
- [ ] anything else :: Take a logarithm.
```

```{quiz}
Put in order.

- [1] begin at $x$ :: it opens
- [2] go on :: it follows
- [3] end :: it closes
```
"""


def write(folder: Path, page: str) -> Path:
    (folder / "conf.py").write_text(CONFIG)
    (folder / "index.md").write_text(page)
    return folder


def build(folder: Path, builder: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", "-b", builder]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*command, str(folder), str(folder / "_build" / builder)],
        capture_output=True,
        text=True,
        env=environment,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write(tmp_path_factory.mktemp("quiz"), PAGE)
    for builder in ("html", "text", "latex"):
        done = build(folder, builder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def source(folder):
    return (folder / "_build/html/index.html").read_text("utf-8")


@pytest.fixture
def checks(source):
    """The four checks as a browser with scripts holds them: what ``<noscript>`` holds is text."""
    soup = BeautifulSoup(source, "html.parser")
    found = soup.select(".check")
    for check in found:
        check.solution = BeautifulSoup(check.noscript.extract().decode(), "html.parser")
    return found


def read(*lines: str, **options) -> text.Check:
    return text.read_check(["Q?", "", *lines], **options)


# --- Reading ---


def test_the_kind_follows_from_the_marks():
    one, two = "- [x] a :: yes", "- [X] b :: yes"
    wrong, other = "- [ ] c :: no", f"- [ ] {text.ELSE} :: think"
    assert read(one, wrong).kind == "single"
    assert read(one, two, wrong).kind == "multiple"
    assert read(one, wrong, multiple=True).kind == "multiple"
    assert read("- [=] 1 :: yes", other).kind == "number"
    assert read("- [1] a :: x", "- [2] b :: y", "* [3] c :: z").kind == "order"


def test_a_choice_keeps_text_explanation_and_verdict_over_several_lines():
    check = text.read_check(["One", "", "two?", "- [x] a", "  b :: c", "  d", "- [ ] e :: f :: g"])
    assert check.question == "One\n\ntwo?"
    assert check.entries == [text.Entry(True, "a b", "c d"), text.Entry(False, "e", "f :: g")]


@pytest.mark.parametrize(
    ("written", "value", "tolerance"),
    [
        ("210", 210, 0),
        ("1.5e-3 ± 1e-4", 1.5e-3, 1e-4),
        ("-2 +/- 0.5", -2, 0.5),
        ("\N{MINUS SIGN}2 ± 10 %", -2, 0.2),
        ("$4.0$", 4, 0),
        (".5±5%", 0.5, 0.025),
    ],
)
def test_a_number_is_read_with_its_tolerance(written, value, tolerance):
    number = read(f"- [=] {written} :: yes", f"- [ ] {text.ELSE} :: no").entries[0].number
    assert number == pytest.approx((value, tolerance))


def test_a_known_wrong_number_has_the_right_ones_width_unless_it_has_its_own():
    lines = ("- [=] 100 ± 1 % :: yes", "- [ ] 50 :: half", "- [ ] 7 ± 2 :: other")
    entries = read(*lines, f"- [ ] {text.ELSE} :: no").entries
    assert [entry.number for entry in entries] == [(100, 1), (50, 0.5), (7, 2), None]


def test_units_are_the_first_one_and_what_others_are_in_it():
    number = ("- [=] 1 :: yes", f"- [ ] {text.ELSE} :: no")
    assert read(*number).units == []
    assert read(*number, units="nats").units == [("nats", 1.0)]
    assert read(*number, units="nats, bits = 0.6931").units == [("nats", 1.0), ("bits", 0.6931)]


@pytest.mark.parametrize("num_steps", range(3, 9))
def test_steps_are_shown_mixed_and_the_same_way_every_time(num_steps):
    steps = [text.Entry(True, f"step {i}", "why") for i in range(num_steps)]
    shown = text.shuffled(steps)
    assert sorted(shown) == list(range(num_steps))
    assert shown != list(range(num_steps))
    assert shown == text.shuffled(steps)


def test_steps_that_come_out_right_by_chance_are_mixed_again():
    steps = [text.Entry(True, word, "why") for word in "abc"]
    ordered = sorted(steps, key=lambda step: text.identify(step.text))
    assert text.shuffled(ordered) == [1, 2, 0]


def test_a_key_depends_on_words_and_not_on_spaces():
    assert text.identify("What  is\nit?") == text.identify("What is it?")
    assert text.identify("What is it?") != text.identify("What was it?")


X, O = "- [x] a :: yes", "- [ ] b :: no"  # noqa: E741
N, E = "- [=] 2 ± 0.1 :: yes", f"- [ ] {text.ELSE} :: no"
MISTAKES = [
    ([X], {}, "expected a question and at least two options '- [ ] text :: explanation'"),
    ([O, O.replace("b", "c")], {}, "expected at least one right option, marked '- [x]'"),
    ([X, "- [ ] b"], {}, "expected ' :: ' and an explanation after the option 'b'"),
    ([X, "- [ ] b :: "], {}, "expected ' :: ' and an explanation after the option 'b'"),
    ([X, "- [ ] a :: no"], {}, "expected different options, got 'a' twice"),
    ([X, N], {}, "expected [ ] with [x], [ ] with [=], or [1] [2] ..., got [=], [x]"),
    ([X, "- [1] b :: no"], {}, "expected [ ] with [x], [ ] with [=], or [1] [2] ..., got [1], [x]"),
    ([N, N.replace("2", "3"), E], {}, "expected one right number, marked '- [=]', got 2"),
    ([N, O], {}, "expected '- [ ] anything else :: a hint' at the end"),
    ([N, E, "- [ ] 3 :: no"], {}, "expected '- [ ] anything else :: a hint' at the end"),
    ([N.replace("2", "two"), E], {}, "expected a number such as '1.9 ± 0.1' or '1.9 ± 5 %', got"),
    ([N.replace("2", "1,5"), E], {}, "expected a number such as '1.9 ± 0.1' or '1.9 ± 5 %', got"),
    ([N, O, E], {}, "expected a number such as '1.9 ± 0.1' or '1.9 ± 5 %', got 'b'"),
    ([N.replace("0.1", "0"), E], {}, "expected a positive tolerance, got '2 ± 0'"),
    ([N.replace("2 ± 0.1", "0 ± 5 %"), E], {}, "expected a positive tolerance, got '0 ± 5 %'"),
    (
        [N, "- [ ] 2.05 :: no", E],
        {},
        "expected a wrong number outside the right one's range, got '2.05'",
    ),
    (
        ["- [1] a :: x", "- [2] b :: y"],
        {},
        "expected at least three steps, numbered 1, 2, 3, ..., got 1, 2",
    ),
    (
        ["- [2] a :: x", "- [1] b :: y", "- [3] c :: z"],
        {},
        "expected at least three steps, numbered 1, 2, 3, ..., got 2, 1, 3",
    ),
    ([X, O], {"units": "nats"}, "units: expected only where a number is asked for, with '- [=]'"),
    ([N, E], {"multiple": True}, "multiple: expected only where options are chosen, with '- [x]'"),
    ([N, E], {"units": "nats, bits"}, "units: expected such as 'nats, bits = 0.6931', got"),
    ([N, E], {"units": "nats = 2"}, "units: expected such as 'nats, bits = 0.6931', got"),
    ([N, E], {"units": "nats, bits = 0"}, "units: expected such as 'nats, bits = 0.6931', got"),
    ([N, E], {"units": "nats, bits = ln 2"}, "units: expected such as 'nats, bits = 0.6931', got"),
    ([N, E], {"units": "nats, = 2"}, "units: expected such as 'nats, bits = 0.6931', got"),
    ([N, E], {"units": "nats, Nats = 2"}, "units: expected different names, got 'Nats' twice"),
]


@pytest.mark.parametrize(("lines", "options", "message"), MISTAKES)
def test_what_a_reader_could_not_answer_is_refused_in_one_line(lines, options, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read(*lines, **options)
    assert "\n" not in str(caught.value)


def test_a_check_without_a_question_is_refused():
    with pytest.raises(ValueError, match="expected a question"):
        text.read_check([X, O])


def test_mistakes_fail_the_build_and_name_the_directive(tmp_path):
    twice = PAGE.split("```{quiz}")[1]
    broken = PAGE.replace("all-of-them", "All of them") + "\n```{quiz}" + twice
    done = build(write(tmp_path, broken.replace("± 1 %", "± 1 percent")), "html")
    assert done.returncode != 0
    for message in (
        "expected small letters, digits and hyphens",
        "quiz: expected another question or ':name:' than before",
        "quiz: expected a number such as '1.9 ± 0.1'",
    ):
        assert message in done.stderr


def test_the_recipe_for_writers_shows_checks_that_can_be_read():
    recipe = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    kinds = []
    for block in re.findall(r"^```\{quiz\}\n(.*?)^```$", recipe, flags=re.DOTALL | re.MULTILINE):
        options = dict(re.findall(r"^:(\w+): (.+)\n", block, flags=re.MULTILINE))
        body = re.sub(r"^:\w+:.*\n", "", block, flags=re.MULTILINE)
        kinds.append(text.read_check(body.splitlines(), **options).kind)
    assert kinds == ["single", "number", "order"]


# --- The page ---


def test_controls_are_those_of_the_kind(checks):
    assert [check["data-kind"] for check in checks] == ["single", "multiple", "number", "order"]
    assert all(check.name == "fieldset" for check in checks)
    legends = [check.legend.get_text() for check in checks]
    assert legends == ["Question 1", "Question 2", "Question 3", "Question 4"]
    assert [tag["type"] for tag in checks[0]("input")] == ["radio", "radio"]
    assert [tag["type"] for tag in checks[1]("input")] == ["checkbox"] * 3
    (field,) = checks[2]("input")
    assert (field["type"], field["inputmode"]) == ("text", "decimal")
    units = {option.get_text(): float(option["value"]) for option in checks[2]("option")}
    assert units == {"nats": 1.0, "bits": 0.6931}
    steps = checks[3].ol.find_all("li")
    assert [step["data-shown"] for step in steps] == ["0", "1", "2"]
    assert [step.select_one(".check__text").get_text() for step in steps][:1] != ["begin at"]


def test_every_control_has_a_name_and_every_reference_a_target(source, checks):
    names = {tag["id"] for check in checks for tag in [check, *check(id=True)]}
    assert len(names) == len({*names})
    for check in checks:
        for tag in [check, *check(True)]:
            for key in ("aria-labelledby", "aria-describedby"):
                assert set(tag.get(key, "").split()) <= names
        assert check["aria-labelledby"].split()[0] == check.legend["id"]
        for button in check("button"):
            assert button.get("aria-labelledby") or button.get_text()
        assert all(field.find_parent("label") for field in check("input"))


def test_a_key_comes_from_the_words_or_the_name(checks):
    keys = [check["data-check"] for check in checks]
    assert keys[1] == "all-of-them"
    assert keys[0] == text.identify("Which is **right**?")


def test_nothing_of_the_answers_can_be_read_in_the_source(source):
    written = "".join(re.findall(r"<fieldset.*?</fieldset>", source, flags=re.DOTALL))
    assert written.count("<noscript") == 4
    for words in ("gooseberry", "counted", "always", "logarithm", "follows", "4.605", "4605"):
        assert words not in written
    for verdict in ("Right", "Not this one", "right&quot;", "true"):
        assert verdict not in written


def test_verdicts_and_explanations_are_folded_where_no_script_runs(checks):
    remarks = checks[0].solution.select("details li")
    assert not checks[0].solution.details.has_attr("open")
    assert [json.loads(item["data-key"]) for item in remarks] == [{"right": False}, {"right": True}]
    assert remarks[0].get_text().startswith("Not this one: the wrong pear")
    assert remarks[0].select_one(".check__why .math")
    assert " ".join(remarks[1].get_text().split()) == "Right: two Both together, counted once."
    keys = [json.loads(item["data-key"]) for item in checks[2].solution.select("details li")]
    assert keys[0] == {"right": True, "value": 4.605, "tolerance": pytest.approx(0.04605)}
    assert keys[1] == {"right": False, "value": 2.0, "tolerance": pytest.approx(0.02)}
    assert keys[2] == {"right": False}


def test_the_right_order_leads_back_to_what_is_shown(checks):
    shown = [step.select_one(".check__text").get_text() for step in checks[3].ol("li")]
    remarks = checks[3].solution.select("ol > li")
    places = [json.loads(item["data-key"])["shown"] for item in remarks]
    right = ["begin at \\(x\\)", "go on", "end"]
    assert [shown[place] for place in places] == right
    assert [item.select_one(".check__label").get_text() for item in remarks] == right


def test_the_search_knows_questions_and_options_and_no_answers(folder):
    index = (folder / "_build/html/searchindex.js").read_text()
    assert '"pear"' in index or "pear:" in index
    for word in ("gooseberri", "logarithm", "tens"):
        assert word not in index


def test_references_come_out_as_they_went_in():
    fragment = '<p class="a">1 &lt; 2 &amp; \u03b1</p>'
    hidden = course_quiz_html.as_references(fragment)
    assert "1" not in re.sub(r"&#\d+;", "", hidden)
    assert hidden.startswith('<p class="a">')
    assert html.unescape(hidden) == html.unescape(fragment)
    assert BeautifulSoup(hidden, "html.parser").p.get_text() == "1 < 2 & \u03b1"


def test_print_and_text_put_the_answers_at_the_end(folder):
    plain = (folder / "_build/text/index.txt").read_text()
    asked, _, answered = plain.partition("Answers to the questions")
    for word in ("the wrong pear", "Answer with a number in nats or bits.", "go on"):
        assert word in asked
    for word in ("gooseberry", "logarithm", "it follows"):
        assert word not in asked
        assert word in answered
    assert "Not this one: the wrong pear" in answered
    tex = next((folder / "_build/latex").glob("*.tex")).read_text()
    before, _, after = tex.partition("Answers to the questions")
    assert "gooseberry" not in before
    assert "gooseberry" in after
    assert after.count("Question") == 4


def test_a_page_without_checks_loads_nothing_of_them(folder, source):
    assert "checks.js" in source
    assert "checks.js" not in (folder / "_build/html/search.html").read_text()
