//! Shares of a whole, side by side, as an SVG: numbers stand in its attributes, colours in the style sheet.

/// How wide a bar is, in units of its own; a browser makes it as wide as there is room.
pub(crate) const WIDE: u64 = 600;

/// Parts side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bar {
    /// The whole, for those who do not see it.
    pub(crate) label: String,
    pub(crate) parts: Vec<Part>,
    /// Places within, and what each says.
    pub(crate) marks: Vec<(u64, String)>,
}

/// One share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) x: u64,
    pub(crate) width: u64,
    /// A class of the style sheet.
    pub(crate) class: &'static str,
    pub(crate) says: String,
}

impl Bar {
    /// These shares of `whole`, in this order; what is above it is cut.
    pub(crate) fn of(whole: u64, shares: impl IntoIterator<Item = (u64, &'static str, String)>, label: String) -> Bar {
        let (mut sum, mut parts) = (0u64, Vec::new());
        for (share, class, says) in shares {
            let x = place(sum, whole);
            sum = sum.saturating_add(share);
            let width = place(sum, whole) - x;
            // What is there is seen.
            let width = if share > 0 { width.max(1).min(WIDE - x) } else { 0 };
            if width > 0 {
                parts.push(Part { x, width, class, says });
            }
        }
        Bar { label, parts, marks: Vec::new() }
    }

    /// The same with a mark where `at` of `whole` is.
    pub(crate) fn mark(mut self, at: u64, whole: u64, says: String) -> Bar {
        self.marks.push((place(at, whole), says));
        self
    }
}

fn place(sum: u64, whole: u64) -> u64 {
    let place = u128::from(sum) * u128::from(WIDE) / u128::from(whole.max(1));
    u64::try_from(place).unwrap_or(WIDE).min(WIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stand_side_by_side_within_the_whole() {
        let told = |whole, shares: &[u64]| {
            let shares = shares.iter().map(|share| (*share, "x", String::new()));
            let bar = Bar::of(whole, shares, String::new()).mark(whole / 2, whole, String::new());
            (bar.parts.iter().map(|part| (part.x, part.width)).collect::<Vec<_>>(), bar.marks[0].0)
        };
        assert_eq!(told(100, &[50, 0, 25]), (vec![(0, 300), (300, 150)], 300));
        assert_eq!(told(100, &[80, 40]), (vec![(0, 480), (480, 120)], 300));
        assert_eq!(told(1_000_000, &[1, 1]), (vec![(0, 1), (0, 1)], 300));
        assert_eq!(told(0, &[0]), (vec![], 0));
        assert_eq!(told(u64::MAX, &[u64::MAX, 5]).0, [(0, 600)]);
    }
}
