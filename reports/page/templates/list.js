/* The list of examples: however long, only the rows that can be seen are elements. */

const ROW = 54;
const PILLS = 6;

class List {
  constructor(box, rows, choose) {
    this.box = box;
    this.area = rows;
    this.choose = choose;
    this.index = null;
    this.rows = [];
    this.at = -1;
    this.drawn = new Map();
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener("keydown", (event) => this.key(event));
  }

  show(group, index, rows, selected) {
    this.runs = about.groups[group].runs;
    this.index = index;
    this.rows = rows;
    this.at = rows.indexOf(selected);
    this.area.style.height = `${Math.max(rows.length, 1) * ROW}px`;
    for (const element of this.drawn.values()) element.remove();
    this.drawn.clear();
    if (this.at >= 0) this.reveal();
    else this.box.scrollTop = 0;
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - 4);
    const last = Math.min(this.rows.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + 4);
    for (const [place, element] of this.drawn) {
      if (place < first || place >= last) {
        element.remove();
        this.drawn.delete(place);
      }
    }
    for (let place = first; place < last; place++) {
      if (!this.drawn.has(place)) {
        const element = this.row(place);
        this.drawn.set(place, element);
        this.area.append(element);
      }
    }
    for (const [place, element] of this.drawn) {
      element.setAttribute("aria-selected", place === this.at);
    }
    if (this.drawn.has(this.at)) this.box.setAttribute("aria-activedescendant", `row-${this.at}`);
    else this.box.removeAttribute("aria-activedescendant");
  }

  row(place) {
    const row = this.rows[place];
    const element = make("div", {
      class: "row", role: "option", id: `row-${place}`, "aria-posinset": place + 1, "aria-setsize": this.rows.length,
      onclick: () => {
        this.select(place);
        chosenByPress();
      },
    },
    make("div", { class: "first" }, make("span", { class: "id" }, this.index.ids[row]), ...this.pills(row)),
    make("span", { class: "head" }, this.index.heads[row]));
    element.style.top = `${place * ROW}px`;
    return element;
  }

  pills(row) {
    const golds = this.index.golds[row];
    return this.index.runs.slice(0, PILLS).map((run, number) => {
      const { name, graded } = this.runs[number];
      if (run.bits[row] & BITS.failed) {
        return make("span", { class: "pill failed", title: `${name}: a request failed or is missing` }, "!");
      }
      if (!graded) return null;
      const right = run.right[row];
      const style = right === 0 ? "nothing" : right >= golds ? "all" : "some";
      return make("span", { class: `pill ${style}`, title: `${name}: ${right} of ${counted(golds, "gold answer")}` }, `${right}/${golds}`);
    });
  }

  select(place) {
    if (place < 0 || place >= this.rows.length) return;
    this.at = place;
    this.reveal();
    this.draw();
    this.choose(this.rows[place]);
  }

  step(by) {
    this.select(this.at < 0 ? 0 : Math.min(Math.max(this.at + by, 0), this.rows.length - 1));
  }

  reveal() {
    const top = this.at * ROW;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + ROW > this.box.scrollTop + this.box.clientHeight) {
      this.box.scrollTop = top + ROW - this.box.clientHeight;
    }
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      this.step(steps[event.key]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      document.getElementById("example").focus();
      document.getElementById("example").scrollIntoView({ block: "nearest" });
    }
  }
}
