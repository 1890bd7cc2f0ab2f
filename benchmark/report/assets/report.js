// Themes, sortable tables, and which curves are shown. Without it the pages show the same: plain tables in the system's theme.
"use strict";

(() => {
  const KEY = "procgen-drac-theme";
  const root = document.documentElement;
  const remembered = () => {
    try { return localStorage.getItem(KEY); } catch { return null; } // storage may be forbidden
  };
  const remember = (theme) => {
    try { localStorage.setItem(KEY, theme); } catch { /* then only this page has it */ }
  };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");

  // Here and not later: the page is not painted in the other theme first.
  if (["light", "dark"].includes(remembered())) root.dataset.theme = remembered();

  function addThemeButton() {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "theme";
    const show = () => {
      const other = theme() === "dark" ? "light" : "dark";
      button.textContent = other === "dark" ? "Dark" : "Light";
      button.setAttribute("aria-label", `Switch to the ${other} theme`);
    };
    button.addEventListener("click", () => {
      root.dataset.theme = theme() === "dark" ? "light" : "dark";
      remember(root.dataset.theme);
      show();
    });
    dark.addEventListener("change", show);
    show();
    document.querySelector(".bar").append(button);
  }

  // Numbers by value, text by letters; what is missing is last in either direction.
  function compare(a, b, numeric, sign) {
    if (a === "" || b === "") return (a === "") - (b === "");
    return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true }));
  }

  function sortBy(table, index, header) {
    const ascending = header.getAttribute("aria-sort") !== "ascending";
    const numeric = header.classList.contains("number");
    const body = table.tBodies[0];
    const key = (row) => row.cells[index].dataset.sort;
    const rows = [...body.rows].sort((a, b) => compare(key(a), key(b), numeric, ascending ? 1 : -1));
    for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    body.append(...rows);
    const said = document.getElementById("said");
    const order = ascending ? "ascending" : "descending";
    said.textContent = `Sorted by ${header.textContent.trim()}, ${order}`;
  }

  function makeSortable(table) {
    if (table.tBodies[0].rows.length < 2) return;
    [...table.tHead.rows[0].cells].forEach((header, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sortBy(table, index, header));
    });
  }

  // A box for each method that the figures side by side have a curve of.
  function letPick(pictures) {
    const curves = [...pictures.querySelectorAll("[data-curve]")];
    const names = [...new Set(curves.map((curve) => curve.dataset.curve))];
    if (!names.length) return;
    const boxes = names.map((name) => {
      const box = document.createElement("input");
      Object.assign(box, { type: "checkbox", value: name, checked: true });
      return box;
    });
    const show = () => {
      const shown = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
      for (const curve of curves) curve.style.display = shown.has(curve.dataset.curve) ? "" : "none";
    };
    const group = document.createElement("fieldset");
    group.className = "pick";
    group.append(Object.assign(document.createElement("legend"), { textContent: "Show curves of" }));
    for (const [text, checked] of [["All", true], ["None", false]]) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      button.addEventListener("click", () => { boxes.forEach((box) => { box.checked = checked; }); show(); });
      group.append(button);
    }
    for (const box of boxes) {
      const label = document.createElement("label");
      label.append(box, ` ${box.value}`);
      group.append(label);
    }
    group.addEventListener("change", show);
    pictures.before(group);
  }

  document.addEventListener("DOMContentLoaded", () => {
    addThemeButton();
    document.querySelectorAll("table.sortable").forEach(makeSortable);
    document.querySelectorAll(".pictures").forEach(letPick);
  });
})();
