// Sliders over a stack of <img> elements. Without this script the start frame simply stands.
(function (key) {
  "use strict";
  const ICON = { play: "M5 3v14l12-7z", pause: "M5 3h4v14H5zM11 3h4v14h-4z" };
  const CALM_INTERVAL = 1500, QUIET = 500, NEAR = "800px 0px";
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  // One row of controls: a slider, its buttons, and the texts of its values.
  function dialOf(row) {
    const find = (part) => row.querySelector(".course-frames__" + part);
    const slider = row.querySelector("input");
    const texts = JSON.parse(slider.dataset.texts);
    return { find, slider, texts, at: Number(slider.value), last: texts.length - 1 };
  }

  function setUp(figure) {
    const find = (part) => figure.querySelector(".course-frames__" + part);
    const images = Array.from(find("stage").children);
    const dials = Array.from(figure.querySelectorAll(".course-frames__row"), dialOf);
    const loops = "loop" in figure.dataset;
    const indexNow = () => dials.reduce((index, dial) => index * (dial.last + 1) + dial.at, 0);
    let seen = images[indexNow()];
    let timer = null, playing = null, speaker = null;

    // On a page the frames are files of their own and wait to be asked for.
    function fetchFrames() {
      images.forEach((image) => { image.loading = "eager"; });
    }

    const isHere = (image) => image.complete && image.naturalWidth > 0;

    // The old frame stays until the new one has arrived, so that nothing flashes.
    function put(image) {
      if (image !== images[indexNow()]) return;
      seen.hidden = true;
      image.hidden = false;
      seen = image;
    }

    function show(dial, at) {
      dial.at = at;
      drawDial(dial);
      const image = images[indexNow()];
      image.loading = "eager";
      if (isHere(image)) return put(image);
      ["load", "error"].forEach((type) =>
        image.addEventListener(type, () => put(image), { once: true }));
    }

    function drawDial(dial) {
      const text = dial.texts[dial.at];
      const share = dial.last ? dial.at / dial.last : 0;
      dial.slider.value = dial.at;
      dial.slider.setAttribute("aria-valuetext", text);
      dial.slider.style.setProperty(
        "--frames-at", `calc(${share} * (100% - var(--frames-thumb)) + var(--frames-thumb) / 2)`);
      dial.find("value").textContent = text;
      dial.find("back").setAttribute("aria-disabled", !loops && dial.at === 0);
      dial.find("forward").setAttribute("aria-disabled", !loops && dial.at === dial.last);
      find("still").firstElementChild.textContent = described();
    }

    function described() {
      const name = (dial) => dial.slider.parentElement.firstElementChild.textContent;
      return dials.map((dial) => name(dial) + " " + dial.texts[dial.at]).join(", ");
    }

    // Said once the reader has stopped moving, never while the figure plays.
    function say() {
      clearTimeout(speaker);
      speaker = setTimeout(() => {
        if (timer === null) find("said").textContent = images[indexNow()].alt;
      }, QUIET);
    }

    function drawPlayButton(dial, state) {
      const button = dial.find("play");
      const name = button.getAttribute("aria-label").replace(/^(Play|Pause)/, "");
      button.setAttribute("aria-label", (state === "play" ? "Play" : "Pause") + name);
      button.querySelector("path").setAttribute("d", ICON[state]);
    }

    function pause() {
      if (timer === null) return;
      clearInterval(timer);
      timer = null;
      drawPlayButton(playing, "play");
    }

    function play(dial) {
      pause();
      fetchFrames();
      const wanted = Number(figure.dataset.interval);
      playing = dial;
      timer = setInterval(tick, calm.matches ? Math.max(wanted, CALM_INTERVAL) : wanted);
      drawPlayButton(dial, "pause");
    }

    function tick() {
      if (!figure.isConnected) return pause();
      if (seen !== images[indexNow()]) return;
      if (playing.at < playing.last) show(playing, playing.at + 1);
      else if (loops) show(playing, 0);
      if (playing.at === playing.last && !loops) {
        pause();
        say();
      }
    }

    function toggle(dial) {
      if (timer !== null && playing === dial) {
        pause();
        return say();
      }
      if (dial.at === dial.last) show(dial, 0);
      play(dial);
    }

    function moveTo(dial, at) {
      pause();
      const count = dial.last + 1;
      const to = loops ? (at + count) % count : Math.min(Math.max(at, 0), dial.last);
      if (to !== dial.at) show(dial, to);
      say();
    }

    function listen(dial) {
      dial.find("play").addEventListener("click", () => toggle(dial));
      dial.find("back").addEventListener("click", () => moveTo(dial, dial.at - 1));
      dial.find("forward").addEventListener("click", () => moveTo(dial, dial.at + 1));
      dial.slider.addEventListener("input", () => moveTo(dial, Number(dial.slider.value)));
      dial.slider.addEventListener("keydown", (event) => {
        // Other shortcuts of the page or of JupyterLab must not act on keys meant for the slider.
        event.stopPropagation();
        if (event.key !== " ") return;
        event.preventDefault();
        toggle(dial);
      });
      drawDial(dial);
    }

    function whenSeen(options, act) {
      const observer = new IntersectionObserver((entries) => {
        if (!entries[0].isIntersecting) return;
        observer.disconnect();
        act();
      }, options);
      observer.observe(figure);
      return observer;
    }

    function playWhenSeen() {
      const observer = whenSeen({ threshold: 0.6 }, () => { if (timer === null) play(dials[0]); });
      ["pointerdown", "keydown"].forEach((type) =>
        figure.addEventListener(type, () => observer.disconnect(), { once: true, capture: true }));
    }

    dials.forEach(listen);
    find("controls").hidden = false;
    find("still").hidden = true;
    ["pointerdown", "focusin"].forEach((type) =>
      figure.addEventListener(type, fetchFrames, { once: true }));
    window.addEventListener("beforeprint", () => { seen.loading = "eager"; });
    const saving = navigator.connection && navigator.connection.saveData;
    if (!saving) whenSeen({ rootMargin: NEAR }, fetchFrames);
    if ("autoplay" in figure.dataset && !calm.matches && !saving) playWhenSeen();
  }

  document.querySelectorAll('.course-frames[data-frames="' + key + '"]').forEach((figure) => {
    if ("ready" in figure.dataset) return;
    figure.dataset.ready = "";
    setUp(figure);
  });
})
