//! A workflow drawn as an SVG: stages are bands, steps are boxes, and what a step holds stands inside it. Numbers stand in attributes,
//! colours in the style sheet; whoever does not see it reads the list of steps below.

use kernel::{
    step::{Kind, Step},
    workflow::{Program, Stage, graph},
};

use super::words;

/// Beside and between boxes.
const GAP: usize = 16;
/// Within a box, to its text.
const PAD: usize = 10;
/// Of a line of text.
const LINE: usize = 18;
/// Letters of a line, at most; what is cut stands in its title.
const LETTERS: usize = 56;
/// A box is not narrower.
const NARROW: usize = 140;

/// A drawing.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) shapes: Vec<Shape>,
    /// From one box to the next: x, from y to y.
    pub(crate) arrows: Vec<(usize, usize, usize)>,
}

/// A band or a box, with its text.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) class: &'static str,
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// What it says in full.
    pub(crate) title: String,
    pub(crate) lines: Vec<Text>,
}

/// A line of text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) class: &'static str,
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) says: String,
}

/// Something to draw, measured.
struct Part {
    class: &'static str,
    lines: Vec<(&'static str, String)>,
    /// Side by side; those of one row are one below the other.
    rows: Vec<Vec<Part>>,
    width: usize,
    height: usize,
}

impl Part {
    fn new(class: &'static str, lines: Vec<(&'static str, String)>, rows: Vec<Vec<Part>>) -> Part {
        // Of a letter, as wide as a common one is: names are larger, and bold.
        let letter = |class: &str| if class == "name" { 8 } else { 7 };
        let text = lines.iter().map(|(class, line)| cut(line).chars().count() * letter(class)).max();
        let text = text.unwrap_or(0) + 2 * PAD;
        let wide = |row: &Vec<Part>| row.iter().map(|part| part.width).max().unwrap_or(0);
        let high = |row: &Vec<Part>| row.iter().map(|part| part.height + GAP).sum::<usize>();
        let inner = if rows.is_empty() { 0 } else { rows.iter().map(|row| wide(row) + GAP).sum::<usize>() + GAP };
        let below = rows.iter().map(high).max().unwrap_or(0);
        let height = 2 * PAD + lines.len() * LINE + below;
        Part { width: text.max(inner).max(NARROW), height, class, lines, rows }
    }

    fn place(self, x: usize, y: usize, picture: &mut Picture) {
        let full: Vec<&str> = self.lines.iter().map(|(_, line)| &**line).collect();
        let title = full.join(" · ");
        let text = |(number, (class, line)): (usize, &(&'static str, String))| Text {
            class,
            x: x + PAD,
            y: y + PAD + (number + 1) * LINE - 5,
            says: cut(line),
        };
        let lines: Vec<Text> = self.lines.iter().enumerate().map(text).collect();
        let top = y + PAD + lines.len() * LINE;
        let (class, width, height) = (self.class, self.width, self.height);
        picture.shapes.push(Shape { class, x, y, width, height, title, lines });
        let mut left = x + GAP;
        for row in self.rows {
            let wide = row.iter().map(|part| part.width).max().unwrap_or(0);
            let (mut at, mut last) = (top + GAP / 2, None);
            for part in row {
                // Branches are frames without an order among themselves; within one, each follows from the one above.
                if let Some(end) = last {
                    picture.arrows.push((left + NARROW / 2, end, at));
                }
                let next = at + part.height;
                part.place(left, at, picture);
                (last, at) = (Some(next), next + GAP);
            }
            left += wide + GAP;
        }
    }
}

/// Draws a workflow.
pub(crate) fn draw(program: &Program) -> Picture {
    let usual: Vec<&Stage> = program.order.iter().filter_map(|name| program.stage(name)).collect();
    let chosen = program.stages.iter().filter(|stage| !program.order.contains(&stage.name));
    let stage = |stage: &Stage, only: bool| {
        let mut lines = vec![("name", format!("stage {}", stage.name))];
        if only {
            lines.push(("soft", "only when it is chosen".to_owned()));
        }
        Part::new(if only { "band chosen" } else { "band" }, lines, vec![below(&stage.steps)])
    };
    let mut bands: Vec<(Part, bool)> = usual.into_iter().map(|one| (stage(one, false), true)).collect();
    bands.extend(chosen.map(|one| (stage(one, true), false)));
    let mut picture = Picture::default();
    let widest = bands.iter().map(|(band, _)| band.width).max().unwrap_or(0);
    let (mut at, mut before) = (GAP / 2, false);
    for (band, follows) in bands {
        if before && follows {
            picture.arrows.push((GAP / 2 + GAP + NARROW / 2, at - GAP, at));
        }
        before = follows;
        let next = at + band.height + GAP;
        Part { width: widest, ..band }.place(GAP / 2, at, &mut picture);
        at = next;
    }
    picture.width = widest + GAP;
    picture.height = at;
    picture
}

fn below(all: &[Step]) -> Vec<Part> {
    all.iter().map(step).collect()
}

fn step(step: &Step) -> Part {
    let mut lines = vec![("name", step.name.to_string()), ("soft", graph::what(step))];
    if let Some(when) = &step.when {
        lines.push(("soft", format!("when {}", when.source())));
    }
    if let Kind::Decide(decide) = &step.kind {
        lines.extend(decide.told().into_iter().map(|(when, to)| ("soft", format!("{when} → {}", graph::then(to)))));
        lines.push(("soft", format!("otherwise → {}", graph::then(&decide.otherwise))));
    }
    let lines = lines.into_iter().map(|(class, line)| (class, words::plain(&line))).collect();
    let rows = step.bodies().into_iter().map(|(branch, body)| match branch {
        None => below(body),
        Some(name) => {
            let lines = vec![("soft", words::plain(name))];
            vec![Part::new("branch", lines, vec![below(body)])]
        }
    });
    let class = match step.kind() {
        "reason" | "agent" | "plan" => "step model",
        "act" | "emit" => "step outside",
        "approve" | "handoff" | "wait" => "step people",
        "decide" => "step decide",
        _ => "step",
    };
    Part::new(class, lines, rows.collect())
}

/// As much of a line as there is room for: where a decision goes on is kept.
fn cut(line: &str) -> String {
    if line.chars().count() <= LETTERS {
        return line.to_owned();
    }
    let end = line.rfind(" → ").and_then(|place| line.get(place..)).unwrap_or_default();
    let room = (LETTERS - 1).saturating_sub(end.chars().count());
    if room < LETTERS / 4 {
        return line.chars().take(LETTERS - 1).chain(['…']).collect();
    }
    line.chars().take(room).chain(['…']).chain(end.chars()).collect()
}

#[cfg(test)]
mod tests {
    use kernel::workflow::project;

    use super::*;

    const WORKFLOW: &str = "\
workflow: sort
result: { value: 1 }
stages:
  - stage: first
    steps:
      - { step: seen, set: { many: 3 } }
      - step: way
        decide: [ { when: seen.many > 2, then: large } ]
        otherwise: next
      - step: each_one
        each: \"['a', 'b']\"
        steps: [ { step: noted, set: { is: =item } } ]
      - step: both
        parallel:
          branches:
            left: { steps: [ { step: l, set: { a: 1 } } ] }
            right: { steps: [ { step: r, set: { a: 1 } }, { step: r2, set: { a: 2 } } ] }
  - stage: large
    steps: [ { step: told, set: { a: 1 } } ]
";

    fn picture() -> Picture {
        let sources = [("surefoot.yaml", "project: p\n"), ("workflows/sort.yaml", WORKFLOW)].into_iter().collect();
        let checked = project::check(&sources);
        let complaints: Vec<String> = checked.complaints.iter().map(ToString::to_string).collect();
        let project = checked.project.unwrap_or_else(|| panic!("{complaints:?}"));
        draw(&project.workflows["sort"])
    }

    fn steps(picture: &Picture) -> Vec<&Shape> {
        picture.shapes.iter().filter(|shape| shape.class.starts_with("step")).collect()
    }

    #[test]
    fn every_step_stands_inside_what_holds_it_and_beside_its_neighbours() {
        let picture = picture();
        let of = |name: &str| {
            picture.shapes.iter().find(|shape| shape.lines[0].says == name).unwrap_or_else(|| panic!("no {name}"))
        };
        let inside = |inner: &Shape, outer: &Shape| {
            inner.x > outer.x
                && inner.y > outer.y
                && inner.x + inner.width < outer.x + outer.width
                && inner.y + inner.height < outer.y + outer.height
        };
        for (inner, outer) in [
            ("seen", "stage first"),
            ("each_one", "stage first"),
            ("noted", "each_one"),
            ("left", "both"),
            ("right", "both"),
            ("l", "left"),
            ("r2", "right"),
            ("told", "stage large"),
        ] {
            assert!(inside(of(inner), of(outer)), "{inner} in {outer}: {picture:#?}");
        }
        assert!(of("left").x + of("left").width < of("right").x, "branches stand side by side");
        assert!(of("r").y + of("r").height < of("r2").y, "what follows stands below");
        let names: Vec<&str> = steps(&picture).iter().map(|shape| &*shape.lines[0].says).collect();
        assert_eq!(names, ["seen", "way", "each_one", "noted", "both", "l", "r", "r2", "told"]);
        for shape in &picture.shapes {
            assert!(shape.x + shape.width <= picture.width && shape.y + shape.height <= picture.height, "{shape:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_still_says_where_it_goes() {
        let long = format!("{} → next", "x".repeat(80));
        let cut_so = cut(&long);
        assert_eq!(cut_so.chars().count(), LETTERS);
        assert!(cut_so.ends_with("x… → next"), "{cut_so}");
        assert_eq!(cut(&"y".repeat(80)).chars().filter(|letter| *letter == 'y').count(), LETTERS - 1);
    }

    #[test]
    fn a_decision_says_where_each_way_goes() {
        let picture = picture();
        let way = steps(&picture).into_iter().find(|shape| shape.lines[0].says == "way").expect("it is drawn");
        assert!(way.title.contains("seen.many > 2 → large · otherwise → next"), "{}", way.title);
        assert!(picture.shapes.iter().any(|shape| shape.class == "band chosen"));
    }
}
