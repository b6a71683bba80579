//! A look at a file of statements: where its parameters stand, and what may not stand in it. Strings, quoted names and comments
//! are skipped; nothing else of SQL is understood, so that a database is free to know more of it than we do.

use std::sync::Arc;

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// In the order written; a name may stand more than once.
    pub parameters: Vec<Parameter>,
}

/// `:name` in a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    /// Without the colon.
    pub name: Arc<str>,
    /// Where the colon stands, in bytes.
    pub offset: usize,
}

/// What cannot be in a file of statements.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub offset: usize,
    pub len: usize,
    pub message: String,
    pub hint: Option<String>,
}

/// Statements that end, split or leave the transaction that a file runs in.
const REFUSED: [&str; 11] =
    ["begin", "start", "commit", "end", "rollback", "savepoint", "release", "attach", "detach", "pragma", "vacuum"];

/// Looks through `text`.
pub(super) fn scan(text: &str) -> Result<Scanned, Fault> {
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0, words: Vec::new(), trigger: false };
    let mut parameters = Vec::new();
    let mut statements = 0;
    while let Some(&byte) = scan.bytes.get(scan.at) {
        let next = scan.bytes.get(scan.at + 1).copied();
        match (byte, next) {
            (b'-', Some(b'-')) => scan.skip_past("\n"),
            (b'/', Some(b'*')) => scan.skip_past("*/"),
            (b'\'' | b'"' | b'`', _) => scan.quoted(byte)?,
            (b'[', _) => scan.quoted(b']')?,
            (b';', _) => {
                statements += usize::from(!scan.words.is_empty());
                scan.words.clear();
                scan.at += 1;
            }
            // A cast of other databases.
            (b':', Some(b':')) => scan.at += 2,
            (b':', Some(next)) if in_word(next) => parameters.push(scan.parameter()?),
            (b'?' | b'@' | b'$', _) => {
                let message = format!("`{}` is no parameter that has a name of ours", char::from(byte));
                return Err(scan.fault(1, message).hint("write `:name`, by the property's name"));
            }
            (0, _) => return Err(scan.fault(1, "a zero byte stands in the file".to_owned())),
            (byte, _) if in_word(byte) => scan.word()?,
            (byte, _) => {
                if !byte.is_ascii_whitespace() && scan.words.is_empty() {
                    scan.words.push(String::new());
                }
                scan.at += 1;
            }
        }
    }
    if statements == 0 && scan.words.is_empty() {
        return Err(Fault { offset: 0, len: 1, message: "the file holds no statement".to_owned(), hint: None });
    }
    Ok(Scanned { parameters })
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The first words of the statement, lower case; anything else counts as an empty one.
    words: Vec<String>,
    /// Inside the body of a trigger, whose statements end with `;` as well.
    trigger: bool,
}

impl Fault {
    fn hint(self, hint: &str) -> Fault {
        Fault { hint: Some(hint.to_owned()), ..self }
    }
}

impl Scan<'_> {
    fn fault(&self, len: usize, message: String) -> Fault {
        Fault { offset: self.at, len, message, hint: None }
    }

    fn skip_past(&mut self, end: &str) {
        let rest = &self.text[self.at + 2..];
        self.at = rest.find(end).map_or(self.bytes.len(), |found| self.at + 2 + found + end.len());
    }

    /// A quoted part; its closing mark, twice, stands for itself.
    fn quoted(&mut self, close: u8) -> Result<(), Fault> {
        let mut at = self.at + 1;
        loop {
            match self.bytes.get(at) {
                None => return Err(self.fault(1, "the quoted part that begins here never ends".to_owned())),
                Some(byte) if *byte == close && close != b']' && self.bytes.get(at + 1) == Some(&close) => at += 2,
                Some(byte) if *byte == close => break,
                Some(_) => at += 1,
            }
        }
        if self.words.is_empty() {
            self.words.push(String::new());
        }
        self.at = at + 1;
        Ok(())
    }

    fn parameter(&mut self) -> Result<Parameter, Fault> {
        let start = self.at + 1;
        let len = self.bytes[start..].iter().take_while(|byte| in_word(**byte)).count();
        let end = start + len;
        let name = &self.text[start..end];
        if self.bytes.get(end) == Some(&b'(') || self.bytes[end..].starts_with(b"::") || name.contains('$') {
            let message = format!("`:{name}` goes on in a way that databases read as part of its name");
            return Err(self.fault(len + 1, message).hint("put a space after it, or write `CAST(:name AS type)`"));
        }
        if self.words.is_empty() {
            self.words.push(String::new());
        }
        let parameter = Parameter { name: name.into(), offset: self.at };
        self.at = end;
        Ok(parameter)
    }

    fn word(&mut self) -> Result<(), Fault> {
        let len = self.bytes[self.at..].iter().take_while(|byte| in_word(**byte)).count();
        let word = self.text[self.at..self.at + len].to_ascii_lowercase();
        let first = self.words.is_empty();
        if first && self.trigger {
            self.trigger = word != "end";
        } else if first && REFUSED.contains(&&*word) {
            let message =
                format!("`{}` cannot stand here: a file runs in one transaction, which is ours", word.to_uppercase());
            return Err(self
                .fault(len, message)
                .hint("leave it out: all statements of the file count together, or none"));
        }
        // CREATE TEMP TRIGGER name: what comes later is a name or a body.
        if word == "trigger" && self.words.len() < 3 && self.words.first().is_some_and(|first| first == "create") {
            self.trigger = true;
        }
        if self.words.len() < 4 {
            self.words.push(word);
        }
        self.at += len;
        Ok(())
    }
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        scan(text).unwrap().parameters.iter().map(|one| one.name.to_string()).collect()
    }

    fn refused(text: &str) -> String {
        let fault = scan(text).unwrap_err();
        format!("{}: {}", fault.offset, fault.message)
    }

    #[test]
    fn parameters_stand_outside_of_strings_names_and_comments() {
        assert_eq!(
            names("SELECT :a, ':b', \":c\", `:d`, [:e], 'it''s :f' -- :g\n /* :h */ FROM t WHERE x = :i1_j;"),
            ["a", "i1_j"]
        );
        assert_eq!(names("SELECT x::int, 'ü:no', :größe"), ["größe"]);
        assert_eq!(scan("SELECT :a").unwrap().parameters[0].offset, 7);
        assert_eq!(names("SELECT 1 /* not closed :a"), Vec::<String>::new());
        assert_eq!(names("SELECT /*/ :a */ :b --\n, :c"), ["b", "c"]);
    }

    #[test]
    fn other_parameters_are_refused() {
        assert_eq!(refused("SELECT ?1"), "7: `?` is no parameter that has a name of ours");
        assert_eq!(refused("SELECT @a"), "7: `@` is no parameter that has a name of ours");
        assert_eq!(refused("SELECT $a"), "7: `$` is no parameter that has a name of ours");
        assert_eq!(refused("SELECT :a::int"), "7: `:a` goes on in a way that databases read as part of its name");
        assert_eq!(refused("SELECT :a(1)"), "7: `:a` goes on in a way that databases read as part of its name");
    }

    #[test]
    fn what_would_break_the_transaction_is_refused() {
        let why = "cannot stand here: a file runs in one transaction, which is ours";
        for word in ["begin", "COMMIT", "Rollback", "SAVEPOINT x", "attach 'x' as y", "PRAGMA query_only = 0", "end"] {
            let shown = word.split(' ').next().unwrap().to_uppercase();
            assert_eq!(refused(word), format!("0: `{shown}` {why}"));
            assert_eq!(refused(&format!("SELECT 1; -- x\n{word}")), format!("15: `{shown}` {why}"));
        }
        assert!(scan("SELECT CASE WHEN 1 THEN 2 END; REPLACE INTO t VALUES (1)").is_ok());
    }

    #[test]
    fn the_body_of_a_trigger_is_one_statement() {
        let trigger = "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN\n DELETE FROM b; SELECT 1;\nEND;\n";
        assert!(scan(trigger).is_ok());
        assert!(scan(&format!("{trigger}COMMIT;")).is_err());
        assert!(scan("CREATE TABLE trigger_of (x); COMMIT").is_err());
    }

    #[test]
    fn what_never_ends_and_what_is_nothing_is_refused() {
        assert_eq!(refused("SELECT 'a"), "7: the quoted part that begins here never ends");
        assert_eq!(refused(" -- only words\n"), "0: the file holds no statement");
        assert_eq!(refused(";;"), "0: the file holds no statement");
        assert_eq!(refused("SELECT 1\0; DROP TABLE t"), "8: a zero byte stands in the file");
    }

    #[test]
    fn no_text_makes_it_panic() {
        let parts = [":", "::", "'", "\"", "[", "--", "/*", "*/", "ü", "x", ";", "(", "\n", " "];
        for a in parts {
            for b in parts {
                for c in parts {
                    let _ = scan(&format!("{a}{b}{c}"));
                }
            }
        }
    }
}
