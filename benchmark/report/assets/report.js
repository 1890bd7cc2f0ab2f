// Themes and sortable tables. Without it the pages show the same: plain tables in the system's theme.
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

  document.addEventListener("DOMContentLoaded", () => {
    addThemeButton();
    document.querySelectorAll("table.sortable").forEach(makeSortable);
  });
})();
