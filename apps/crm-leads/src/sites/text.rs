//! Text into HTML and bytes.

/// Characters that mean something in HTML become entities. For text and for quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

/// A paragraph of a profile as HTML: its lines as one `p`, but for the lines of a list. The words stay as they are.
pub(super) fn paragraph(text: &str) -> String {
    let mut out = String::new();
    for (listed, lines) in groups(text) {
        if listed {
            let items: String = lines.iter().map(|line| format!("<li>{}</li>\n", inline(line))).collect();
            out.push_str(&format!("<ul>\n{items}</ul>\n"));
        } else {
            out.push_str(&format!("<p>{}</p>\n", inline(&lines.join(" "))));
        }
    }
    out
}

/// The sentences that open a paragraph, at most about 300 characters of them, without marks; none if it opens with a list.
pub(super) fn opening(text: &str) -> Option<String> {
    let (listed, lines) = groups(text).into_iter().next()?;
    if listed {
        return None;
    }
    let whole = plain(&lines.join(" "));
    let ends = whole
        .match_indices(['.', '!', '?'])
        .map(|(at, _)| at + 1)
        .filter(|at| whole[*at..].is_empty() || whole[*at..].starts_with(' '));
    let end = ends.take_while(|at| *at <= 300).last();
    match end {
        Some(end) => Some(whole[..end].to_owned()),
        None if whole.len() <= 300 => Some(whole),
        None => None,
    }
}

/// Lines that belong together, and whether they are items of a list. Spaces at the ends of lines go.
fn groups(text: &str) -> Vec<(bool, Vec<&str>)> {
    let mut groups: Vec<(bool, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        let (listed, words) = item(line).map_or((false, line.trim()), |words| (true, words.trim()));
        match groups.last_mut() {
            Some((same, lines)) if *same == listed => lines.push(words),
            _ => groups.push((listed, vec![words])),
        }
    }
    groups
}

fn item(line: &str) -> Option<&str> {
    ["- ", "* ", "+ "].iter().find_map(|mark| line.trim_start().strip_prefix(mark))
}

/// Inline marks: `**strong**`, `` `code` ``, and `[words](address)`, of which the words stay.
fn inline(text: &str) -> String {
    marks(text, |words, tag| format!("<{tag}>{}</{tag}>", escape(words)), escape)
}

/// The same paragraph without any mark, as a reader sees it.
pub(super) fn plain(text: &str) -> String {
    marks(text, |words, _| words.to_owned(), str::to_owned)
}

fn marks(text: &str, tagged: impl Fn(&str, &str) -> String, untagged: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['[', '*', '`']) {
        let (before, from) = rest.split_at(at);
        out.push_str(&untagged(before));
        if let Some((words, after)) = link(from) {
            out.push_str(&plain_or(words, &tagged, &untagged));
            rest = after;
        } else if let Some((words, after)) = from.strip_prefix("**").and_then(|from| from.split_once("**"))
            && !words.is_empty()
        {
            out.push_str(&tagged(&plain(words), "strong"));
            rest = after;
        } else if let Some((words, after)) = from.strip_prefix('`').and_then(|from| from.split_once('`')) {
            out.push_str(&tagged(words, "code"));
            rest = after;
        } else {
            out.push_str(&untagged(&from[..1]));
            rest = &from[1..];
        }
    }
    out.push_str(&untagged(rest));
    out
}

fn plain_or(words: &str, tagged: &impl Fn(&str, &str) -> String, untagged: &impl Fn(&str) -> String) -> String {
    match words.strip_prefix("**").and_then(|words| words.strip_suffix("**")) {
        Some(words) => tagged(words, "strong"),
        None => untagged(words),
    }
}

/// `[words](address)` at the start, and what follows it.
fn link(from: &str) -> Option<(&str, &str)> {
    let (words, after) = from.strip_prefix('[')?.split_once("](")?;
    let (_, after) = after.split_once(')')?;
    (!words.contains(['[', ']'])).then_some((words, after))
}

/// The text between tags, entities left as they are: enough to look for names.
pub(super) fn strip(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            other if !inside => out.push(other),
            _ => {}
        }
    }
    out
}

/// What windows-1252 has between 0x80 and 0x9f, in order; a space where it has nothing.
const UPPER: &str = "€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ";

/// Text as windows-1252. What that charset lacks becomes a numeric reference.
pub(super) fn windows_1252(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        let code = u32::from(c);
        if code < 0x80 || (0xa0..0x100).contains(&code) {
            out.push(code as u8);
        } else if let Some(at) = UPPER.chars().position(|known| known == c && c != ' ') {
            out.push(0x80 + at as u8);
        } else {
            out.extend(format!("&#{code};").bytes());
        }
    }
    out
}

/// Leaves closing tags out, as careless hands do: every second `</li>` and `</p>`, one `</div>`, one `</section>`; a stray `</span>`
/// comes in, and some attributes lose their quotation marks. The text stays what it was.
pub(super) fn break_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut seen = 0;
    let mut rest = html;
    while let Some(at) = rest.find("</") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = from.find('>').map_or(from.len(), |end| end + 1);
        let tag = &from[..end];
        let droppable = matches!(tag, "</li>" | "</p>" | "</div>" | "</section>");
        seen += usize::from(droppable);
        if droppable && seen % 2 == 0 {
            if seen % 6 == 0 {
                out.push_str("</span>");
            }
        } else {
            out.push_str(tag);
        }
        rest = &from[end..];
    }
    out.push_str(rest);
    out.replace("<h2 class=\"fw-bolder\">", "<h2 class=fw-bolder>")
        .replace("<section class=\"py-5\"", "<section class=py-5")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_paragraph_stay() {
        let text = "[Zup](https://zup.example) **makes** `code` & [more\u{2019}s] 2 * 3";
        assert_eq!(
            paragraph(text),
            "<p>Zup <strong>makes</strong> <code>code</code> &amp; [more\u{2019}s] 2 * 3</p>\n"
        );
        assert_eq!(plain(text), "Zup makes code & [more\u{2019}s] 2 * 3");
        assert_eq!(paragraph("- a\n- b"), "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n");
    }

    #[test]
    fn the_old_charset_has_32_places_and_the_rest_are_references() {
        assert_eq!(UPPER.chars().count(), 32);
        assert_eq!(windows_1252("é–’€ł"), b"\xe9\x96\x92\x80&#322;");
    }

    #[test]
    fn tags_break_and_the_text_stays() {
        assert_eq!(break_tags("<p>a</p><p>b</p><ul><li>c</li></ul>"), "<p>a</p><p>b<ul><li>c</li></ul>");
    }
}
