// Knowledge checks. The page holds the questions as form controls; their solutions wait, encoded,
// in <noscript>. Nothing is sent anywhere. When a check is passed, the event "check-passed" tells
// whoever keeps a record.
(() => {
  "use strict";

  // The remarks of a solution: { key, why } each, in the order of the chapter's source.
  function readSolution(check) {
    const folded = check.querySelector("noscript").textContent;
    const page = new DOMParser().parseFromString(folded, "text/html");
    return Array.from(page.querySelectorAll("li[data-key]"), (item) => ({
      key: JSON.parse(item.dataset.key),
      why: item.querySelector(".check__why"),
    }));
  }

  // Show a verdict and an explanation in a reply.
  function say(reply, right, verdict, why) {
    const copy = document.importNode(why, true);
    const first = copy.querySelector("p") || copy;
    const word = document.createElement("strong");
    word.textContent = verdict;
    first.prepend(word, " ");
    reply.replaceChildren(...copy.childNodes);
    reply.dataset.right = right;
  }

  // MathJax sets the whole page when it starts; what is said later is set when it is said.
  const mathematics = (work) => window.MathJax && MathJax.typesetPromise && work(MathJax);

  function silence(check) {
    const replies = Array.from(check.querySelectorAll(".check__reply"));
    mathematics((mathjax) => mathjax.typesetClear(replies));
    replies.forEach((reply) => {
      reply.replaceChildren();
      delete reply.dataset.right;
    });
  }

  // Each kind judges what the reader did: it replies, and returns [passed, sentence] for the
  // status line; passed is null where there is nothing to judge yet.
  const judges = {
    single(check, remarks) {
      const inputs = Array.from(check.querySelectorAll("input"));
      const chosen = inputs.findIndex((input) => input.checked);
      if (chosen < 0) return [null, "Choose an option first."];
      const { key, why } = remarks[chosen];
      const reply = check.querySelectorAll(".check__reply")[chosen];
      say(reply, key.right, key.right ? "Right." : "Not this one.", why);
      return [key.right, key.right ? "" : "Try another option."];
    },

    multiple(check, remarks) {
      const chosen = Array.from(check.querySelectorAll("input"), (input) => input.checked);
      if (!chosen.includes(true)) return [null, "Choose one option or more first."];
      const wrong = remarks.filter(({ key }, i) => chosen[i] && !key.right).length;
      const missed = remarks.filter(({ key }, i) => !chosen[i] && key.right).length;
      const passed = wrong + missed === 0;
      check.querySelectorAll(".check__reply").forEach((reply, i) => {
        const { key, why } = remarks[i];
        const agrees = chosen[i] === key.right;
        const words = key.right ? ["Missed.", "Right."] : ["Rightly left out.", "Not this one."];
        if (passed || !agrees) say(reply, agrees, words[Number(chosen[i])], why);
      });
      if (passed) return [true, "Exactly the right ones."];
      const parts = [];
      if (wrong) parts.push(wrong + " too many");
      if (missed) parts.push(missed + " missed");
      return [false, "Not yet: " + parts.join(", ") + "."];
    },

    number(check, remarks) {
      const [value, fault] = readNumber(check);
      if (fault) return [null, fault];
      const near = ({ value: truth, tolerance }) =>
        Math.abs(value - truth) <= tolerance + 1e-9 * Math.max(Math.abs(truth), tolerance);
      const found = remarks.find(({ key }) => key.value === undefined || near(key));
      const right = found.key.right;
      say(check.querySelector(".check__reply"), right, right ? "Right." : "Not this one.", found.why);
      return [right, ""];
    },

    order(check, remarks) {
      const steps = Array.from(check.querySelectorAll(".check__steps > li"));
      const places = steps.map((step) =>
        remarks.findIndex(({ key }) => key.shown === Number(step.dataset.shown)));
      const first = places.findIndex((place, i) => place !== i);
      if (first < 0) {
        steps.forEach((step, i) => {
          say(step.querySelector(".check__reply"), true, "In place.", remarks[i].why);
        });
        return [true, "Right. This is the order."];
      }
      const reply = steps[first].querySelector(".check__reply");
      say(reply, false, "Not here yet.", remarks[places[first]].why);
      const before = first ? "The first " + (first === 1 ? "step is" : first + " are") + " right. " : "";
      return [false, before + "Step " + (first + 1) + " is the first out of place: it comes later."];
    },
  };

  // The number typed, in the first unit; or a sentence that says how to write one. A comma is asked
  // about, because 1,500 is fifteen hundred to some and one and a half to others.
  function readNumber(check) {
    const field = check.querySelector("input");
    const select = check.querySelector("select");
    const text = field.value.trim().replace(/\u2212/g, "-");
    if (!text) return [null, "Write a number first."];
    if (text.includes(",")) {
      return [null, "Write a point before decimals, as in 1.5, and nothing between thousands."];
    }
    const parts = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(.*)$/i.exec(text);
    if (!parts) return [null, "Write a number such as 0.5, 12 or 1.5e-3."];
    const unit = parts[2].toLowerCase();
    const names = select
      ? Array.from(select.options, (option) => option.text.toLowerCase())
      : Array.from(check.querySelectorAll(".check__unit"), (word) => word.textContent.toLowerCase());
    if (unit && !names.includes(unit)) {
      return [null, "Write only the number" + (select ? " and choose its unit." : ".")];
    }
    if (unit && select) select.selectedIndex = names.indexOf(unit);
    return [Number(parts[1]) * (select ? Number(select.value) : 1), ""];
  }

  function prepareSteps(check, show) {
    const list = check.querySelector(".check__steps");
    const shown = Array.from(list.children);
    function mark() {
      list.querySelectorAll("[data-move]").forEach((button) => {
        const at = Array.from(list.children).indexOf(button.closest("li"));
        const end = button.dataset.move === "-1" ? 0 : list.children.length - 1;
        button.setAttribute("aria-disabled", String(at === end));
      });
    }
    list.addEventListener("click", (event) => {
      const button = event.target.closest("[data-move]");
      if (!button || button.getAttribute("aria-disabled") === "true") return;
      const step = button.closest("li");
      const up = button.dataset.move === "-1";
      // The neighbour moves, so that the button that was pressed keeps the focus.
      if (up) step.after(step.previousElementSibling);
      else step.before(step.nextElementSibling);
      silence(check);
      mark();
      const at = Array.from(list.children).indexOf(step) + 1;
      show(null, "Now step " + at + " of " + list.children.length + ".");
    });
    mark();
    return () => {
      list.append(...shown);
      mark();
    };
  }

  function prepare(check) {
    const remarks = readSolution(check);
    const status = check.querySelector(".check__status");
    const kind = check.dataset.kind;

    function show(passed, sentence) {
      status.textContent = sentence;
      if (passed === null) delete check.dataset.passed;
      else check.dataset.passed = passed;
    }
    const putBack = kind === "order" ? prepareSteps(check, show) : () => {};

    function judge() {
      silence(check);
      const [passed, sentence] = judges[kind](check, remarks);
      show(passed, sentence);
      const replies = Array.from(check.querySelectorAll(".check__reply:not(:empty)"));
      mathematics((mathjax) => mathjax.typesetPromise(replies));
      if (passed) {
        const detail = { check: check.dataset.check };
        document.dispatchEvent(new CustomEvent("check-passed", { detail }));
      }
    }

    check.querySelector(".check__try").addEventListener("click", judge);
    check.querySelector(".check__reset").addEventListener("click", () => {
      check.querySelectorAll("input").forEach((input) => {
        if (input.type === "text") input.value = "";
        else input.checked = false;
      });
      check.querySelectorAll("select").forEach((select) => { select.selectedIndex = 0; });
      putBack();
      silence(check);
      show(null, "");
      check.querySelector("input, [data-move]").focus();
    });
    check.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input")) judge();
    });
    // A new answer takes the old verdict away. A tap on a single choice is an answer; the arrow
    // keys only move through the options, so there it takes Enter or the button.
    check.addEventListener("input", () => {
      silence(check);
      show(null, "");
    });
    if (kind === "single") {
      let soon;
      check.addEventListener("click", (event) => {
        if (!event.detail || !event.target.closest("label")) return;
        clearTimeout(soon);
        soon = setTimeout(judge);
      });
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".check").forEach(prepare);
  });
})();
