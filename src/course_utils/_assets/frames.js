// One slider over a stack of <img> elements. Without this script the start frame simply stands.
(function (key) {
  "use strict";
  const ICON = { play: "M5 3v14l12-7z", pause: "M5 3h4v14H5zM11 3h4v14h-4z" };
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  function setUp(figure) {
    const find = (part) => figure.querySelector(".course-frames__" + part);
    const images = Array.from(find("stage").children);
    const slider = figure.querySelector("input");
    const playButton = find("play");
    const values = images.map((image) => image.dataset.value);
    let current = Number(slider.value);
    let timer = null;

    function show(index, announce) {
      images[current].hidden = true;
      current = (index + images.length) % images.length;
      images[current].hidden = false;
      slider.value = current;
      slider.setAttribute("aria-valuetext", values[current]);
      find("value").textContent = values[current];
      if (announce) find("said").textContent = values[current] + ": " + images[current].alt;
    }

    function drawPlayButton() {
      const state = timer === null ? "play" : "pause";
      playButton.setAttribute("aria-label", state === "play" ? "Play" : "Pause");
      playButton.querySelector("path").setAttribute("d", ICON[state]);
    }

    function pause() {
      clearInterval(timer);
      timer = null;
      drawPlayButton();
    }

    function play() {
      const wanted = Number(figure.dataset.interval);
      timer = setInterval(tick, calm.matches ? Math.max(wanted, 1500) : wanted);
      drawPlayButton();
    }

    function tick() {
      if (!figure.isConnected) return pause();
      const last = current === images.length - 1;
      if (last && !("loop" in figure.dataset)) return pause();
      show(current + 1, false);
    }

    function toggle() {
      if (timer !== null) {
        pause();
        show(current, true);
      } else {
        if (current === images.length - 1) show(0, false);
        play();
      }
    }

    function moveTo(index) {
      pause();
      show(index, true);
    }

    function playWhenSeen() {
      const observer = new IntersectionObserver((entries) => {
        if (!entries[0].isIntersecting) return;
        observer.disconnect();
        if (timer === null) play();
      }, { threshold: 0.6 });
      observer.observe(figure);
      figure.addEventListener("pointerdown", () => observer.disconnect(), { once: true });
      figure.addEventListener("keydown", () => observer.disconnect(), { once: true });
    }

    playButton.addEventListener("click", toggle);
    find("back").addEventListener("click", () => moveTo(current - 1));
    find("forward").addEventListener("click", () => moveTo(current + 1));
    slider.addEventListener("input", () => moveTo(Number(slider.value)));
    slider.addEventListener("keydown", (event) => {
      // Other shortcuts of the page or of JupyterLab must not act on keys meant for the slider.
      event.stopPropagation();
      if (event.key === " ") {
        event.preventDefault();
        toggle();
      }
    });
    find("controls").hidden = false;
    if ("autoplay" in figure.dataset && !calm.matches) playWhenSeen();
  }

  document.querySelectorAll('.course-frames[data-frames="' + key + '"]').forEach((figure) => {
    if ("ready" in figure.dataset) return;
    figure.dataset.ready = "";
    setUp(figure);
  });
})
