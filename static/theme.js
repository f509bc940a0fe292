// Light or dark before the first paint: loaded in <head>, without defer, ahead of the stylesheets.
// The choice is "light", "dark" or nothing (as the system says), kept in this browser.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage may be forbidden; then the system decides
    }
  };
  const apply = () => {
    const theme = chosen() || (system.matches ? "dark" : "light");
    root.dataset.bsTheme = theme;
    root.classList.toggle("dark-mode", theme === "dark"); // the name Swagger UI listens to
  };
  window.theme = {
    get: () => chosen() || "auto",
    set: (choice) => {
      try {
        if (choice === "auto") localStorage.removeItem("theme");
        else localStorage.setItem("theme", choice);
      } catch {
        // the choice then holds until the page is left
      }
      apply();
    },
  };
  root.classList.add("js");
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
})();
