((sheet) => {
  "use strict";
  const svg = (document.currentScript || document.documentElement).closest("svg");
  const hint = svg.querySelector(".hint");
  const UNIT = 10000;
  let tiles = null;

  const round = (length) => Math.round(length * UNIT) / UNIT;

  // Read at the first click: a large file should open at once.
  const read = (group) => {
    const rect = group.querySelector("rect");
    const [x, y, width] = ["x", "y", "width"].map((name) => Number(rect.getAttribute(name)));
    const [label, size] = group.querySelector("title").textContent.split("\n");
    return { group, rect, x, y, width, label, size: size.split(",")[0] };
  };

  const advance = (character) => {
    const code = character.codePointAt(0);
    if (code >= 0x20 && code <= 0x7e) return sheet.advances[code - 0x20];
    if (code >= 0xa0 && code < 0x250) return 860;
    return code >= 0x250 && code < 0x1f000 ? 1100 : 1400;
  };
  const length = (text) => Array.from(text).reduce((sum, character) => sum + advance(character), 0);

  const cut = (text, room) => {
    let width = 0, head = "", before = "";
    for (const character of text) {
      if (width + 1000 <= room) head = before;
      before += character;
      width += advance(character);
      if (width > room) return room < 1000 ? "" : head + "…";
    }
    return text;
  };

  const write = (tile, x, width) => {
    const wide = Math.max(0, Math.round(width * UNIT) - 2 * sheet.pad * UNIT);
    const room = Math.floor((wide * 1000) / (sheet.em * UNIT));
    const shown = cut(tile.label, room);
    const whole = shown === tile.label;
    const sized = whole && length(shown) + Math.floor((sheet.gap * 1000) / sheet.em) + length(tile.size) <= room;
    const old = tile.group.querySelector("text");
    if (old) old.remove();
    if (whole ? !sized && shown === "" : Array.from(shown).length <= sheet.fewest) return;
    const text = document.createElementNS(svg.namespaceURI, "text");
    text.setAttribute("x", round(x + sheet.pad));
    text.setAttribute("y", tile.y + 14);
    text.textContent = shown;
    if (sized) {
      const size = document.createElementNS(svg.namespaceURI, "tspan");
      size.setAttribute("class", "size");
      size.setAttribute("dx", sheet.gap);
      size.textContent = tile.size;
      text.append(size);
    }
    tile.group.append(text);
  };

  const place = (tile, x, width, above) => {
    tile.group.removeAttribute("display");
    tile.group.setAttribute("class", "tile" + (above ? " above" : "") + (width < sheet.thin ? " thin" : ""));
    tile.rect.setAttribute("x", x);
    tile.rect.setAttribute("width", width);
    write(tile, x, width);
  };

  // Tiles in the same rows never overlap, so the middle of a tile tells what it is a part of.
  const within = (inner, outer) => {
    const middle = inner.x + inner.width / 2;
    return inner.y >= outer.y && middle >= outer.x && middle <= outer.x + outer.width;
  };

  const show = (tile, target) => {
    const scale = sheet.width / target.width;
    if (within(tile, target)) {
      place(tile, round(sheet.left + (tile.x - target.x) * scale), round(tile.width * scale), false);
    } else if (within(target, tile)) {
      place(tile, sheet.left, sheet.width, true);
    } else {
      tile.group.setAttribute("display", "none");
    }
  };

  const zoom = (group) => {
    tiles ||= Array.from(svg.querySelectorAll(".tile"), read);
    const chosen = tiles.find((tile) => tile.group === group);
    const whole = !chosen || chosen.width >= sheet.width;
    for (const tile of tiles) {
      if (whole) place(tile, tile.x, tile.width, false);
      else show(tile, chosen);
    }
    hint.textContent = whole ? "click a tile to zoom" : "reset zoom";
  };

  svg.classList.add("zooms");
  hint.textContent = "click a tile to zoom";
  svg.addEventListener("click", (event) => zoom(event.target.closest(".tile")));
})
